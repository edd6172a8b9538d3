"""cells.py NB id id ... : print cells with outputs."""
import json,sys
nb=json.load(open(f"/work/main/notebooks/{sys.argv[1]}.ipynb")); want=sys.argv[2:]
for i,c in enumerate(nb['cells']):
    if c['id'] in want or not want:
        print(f"--- {i} {c['id']} {c['cell_type'][:4]} {c['metadata'].get('tags','')}"); print("".join(c['source']))
        for o in c.get('outputs',[]):
            t=o.get('text') or o.get('data',{}).get('text/plain','')
            print(">>>", "".join(t)[:2500])
