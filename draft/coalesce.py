import json,sys
p=f"/work/main/notebooks/{sys.argv[1]}.ipynb"; nb=json.load(open(p))
for c in nb["cells"]:
    outs=[]
    for o in c.get("outputs",[]):
        if outs and o["output_type"]=="stream"==outs[-1]["output_type"] and o["name"]==outs[-1]["name"]:
            a="".join(outs[-1]["text"])+"".join(o["text"]); outs[-1]["text"]=a.splitlines(keepends=True)
        else: outs.append(o)
    if "outputs" in c: c["outputs"]=outs
open(p,"w").write(json.dumps(nb,indent=1,ensure_ascii=False)+"\n")
