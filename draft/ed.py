import json
def edit(path, *pairs):
    """pairs: (cell id, old, new)"""
    p=f"/work/main/notebooks/{path}.ipynb"; nb=json.load(open(p)); cells={c["id"]:c for c in nb["cells"]}
    for id,a,b in pairs:
        s="".join(cells[id]["source"]); assert s.count(a)==1,(id,s.count(a),a)
        cells[id]["source"]=s.replace(a,b).splitlines(keepends=True)
    open(p,"w").write(json.dumps(nb,indent=1,ensure_ascii=False)+"\n")
def text(path, *pairs):
    p=f"/work/main/{path}"; s=open(p).read()
    for a,b in pairs:
        assert s.count(a)==1,(path,s.count(a),a); s=s.replace(a,b)
    open(p,"w").write(s)
