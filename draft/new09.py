"""Build the new notebook 09 out of the present one and the cells below. Usage: new09.py SOURCE TARGET"""
import json, sys, os
src, dst = sys.argv[1:3]; STAIRS = "stairs" in sys.argv
nb = json.load(open(src)); old = {c["id"]: c for c in nb["cells"]}; out = []
def keep(*ids, **edits):
    for i in ids: out.append(old[i])
def sub(id, *pairs):
    c = old[id]; s = "".join(c["source"])
    for a, b in pairs:
        assert s.count(a) == 1, (id, s.count(a), a)
        s = s.replace(a, b)
    c["source"] = s.splitlines(keepends=True); out.append(c)
def md(id, text, slide=None): out.append({"cell_type": "markdown", "id": id, "metadata": {"slideshow": {"slide_type": slide or ("slide" if text.strip().startswith("## ") else "-")}}, "source": text.strip("\n").splitlines(keepends=True)})
def code(id, text, *tags):
    m = {"slideshow": {"slide_type": "-"}} | ({"tags": list(tags)} if tags else {})
    out.append({"cell_type": "code", "id": id, "metadata": m, "execution_count": None, "outputs": [], "source": text.strip("\n").splitlines(keepends=True)})
exec(open("/tmp/me/n9b/cells.py").read())
for c in out: c["source"] = "".join(c["source"]).replace("RULER)", f"{RULER})").replace("STRIP)", f"{STRIP})").splitlines(keepends=True)
nb["cells"] = out
json.dump(nb, open(dst, "w"), indent=1, ensure_ascii=False); open(dst, "a").write("\n")
gone = [i for i in old if i not in {c["id"] for c in out}]
print(len(out), "cells; gone:", *gone)
