md("stairs-recipe-ask", """
And what do recipe and teacher bring to the last network of the staircase? More augmentation, `strong` in place of `gentle`; then twice as many epochs; or, instead of those, a teacher. It is not the one of the next sections, which has seen the held-out images too, but a small run of its own (24 epochs of the same 10,000 images):
""")
code("stairs-recipe", '''
MORE = {  # what: the name that its runs begin with, and what it is compared with
    "mixed kernels": ("mixed_net", None), "more augmentation": ("strong", "mixed_net"),
    "and 30 epochs": ("longer", "strong"), "and a teacher": ("taught", "strong"),
}  # fmt: skip
reached = {}
for step, (name, compared) in MORE.items():
    two = [read_record(f"{name}_seed{seed}", STAIRS)["test"]["accuracy"] for seed in (0, 1)]
    reached[name] = statistics.mean(two)
    gain = f"  {reached[name] - reached[compared]:+.2f} over {compared}" if compared else ""
    print(f"{step:18} {two[0]:.2f} %  {two[1]:.2f} %  mean {reached[name]:.2f}{gain}")
print(f"the teacher itself: {read_record('teacher', STAIRS)['test']['accuracy']:.2f} %")
''')
md("stairs-recipe-seen", """
⟦…⟧

And what does a step of training cost? Milliseconds on this machine, for a batch of 32, the fastest of six:
""")
