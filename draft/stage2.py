"""Build stage 2 of notebook 09 out of the present one. Usage: stage2.py NOTEBOOK (in place)"""
import json, sys
path = sys.argv[1]; nb = json.load(open(path)); old = {c["id"]: c for c in nb["cells"]}; new = []
def md(id, text, slide=None): new.append({"cell_type": "markdown", "id": id, "metadata": {"slideshow": {"slide_type": slide or ("slide" if text.strip().startswith("## ") else "-")}}, "source": text.strip("\n").splitlines(keepends=True)})
def code(id, text, *tags):
    m = {"slideshow": {"slide_type": "-"}} | ({"tags": list(tags)} if tags else {})
    new.append({"cell_type": "code", "id": id, "metadata": m, "execution_count": None, "outputs": [], "source": text.strip("\n").splitlines(keepends=True)})
def sub(id, *pairs):
    c = old[id]; s = "".join(c["source"])
    for a, b in pairs:
        assert s.count(a) == 1, (id, s.count(a), a); s = s.replace(a, b)
    c["source"] = s.splitlines(keepends=True); return c
def keep(id, *pairs): new.append(sub(id, *pairs))
exec(open("/tmp/me/stage2_cells.py").read())
out = []
for c in nb["cells"]:
    if c["id"] == "stairs": out += new
    if c["id"] not in GONE: out.append(c)
nb["cells"] = out; assert len({c["id"] for c in out}) == len(out)
open(path, "w").write(json.dumps(nb, indent=1, ensure_ascii=False) + "\n"); print(len(out), "cells")
