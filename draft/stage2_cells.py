GONE = {"stairs", "09-015", "09-016", "09-017", "09-018", "09-019", "09-020", "09-021", "09-022", "09-023", "09-024", "network-rate", "network-rate-seen"}
sub("09-000", ("4. step by step", "4. one change at a time")) if "4. step by step" in "".join(old["09-000"]["source"]) else None
sub("09-002", ("MIXED, NEAR, STEPS, SeparableUnit", "MIXED, NEAR, SeparableUnit"))
md("stairs", """
## 4. One change at a time

What is each of these ideas worth? A first answer came from four short runs: three epochs each, one learning rate for all, one seed. It flattered what learns quickly at a rate of 0.01. Its runs are still in `runs/experiments`, in the log with all others, those that lost included (`runs/experiments.csv`):
""")
code("unfair-steps", '''
FIRST_STAIRS = {
    "session_net": "session_adamw", "residual units": "separable", "SiLU and a gate": "gated", "mixed kernels": "mixed_end",
}  # fmt: skip
for step, name in FIRST_STAIRS.items():
    run = read_record(name, RUNS / "experiments")
    print(f"{step:15} {run['macs'] / 1e6:5.1f} M MACs  {run['test']['accuracy']:.2f} %")
    steps = run["recipe"]["epochs"] * -(-45_000 // run["recipe"]["batch_size"])
print(f"{steps:,} training steps each")
''')
md("stairs-fair", """
⟦…⟧ So once more, and fair. From `session_net` to the network of section 5 we go in six steps, each with about the same number of parameters:

- all learn from the same 10,000 training images and are scored on 5,000 others that are held out: the test set has no say in a choice;
- each has a learning rate of its own, the best of three after five epochs, and of four where the best lay at an end;
- then each learns for 15 epochs, twice, with two seeds: how far the two are apart tells what luck is worth.

All have the augmentation `gentle`, AdamW with weight decay on convolutions alone, and gradients no longer than 1. The first step changes several things at once: 17 ordinary 3×3 convolutions with padding, none grouped or dilated, on larger maps. From there on it is one. **Predict:** which step brings most? Is one of them a loss? The learning rates first, the best with a star:
""")
code("stairs-rates", '''
STAIRS, RATES = RUNS / "staircase", (0.001, 0.003, 0.01, 0.03, 0.1)
NETWORKS = {  # step: the name that its runs begin with
    "session_net": "session_net", "plain and deep": "deep", "separable": "separable", "a way round": "residual",
    "SiLU": "smooth", "a gate": "gated", "mixed kernels": "mixed_net", "smaller maps": "better_net",
}  # fmt: skip
print("highest learning rate", *(f"{rate:7}" for rate in RATES))
best = {}
for step, name in NETWORKS.items():
    there = [rate for rate in RATES if (STAIRS / f"{name}_lr_{rate}").is_dir()]
    tried = {rate: read_record(f"{name}_lr_{rate}", STAIRS)["test"]["accuracy"] for rate in there}
    best[step] = max(tried, key=tried.get)
    row = (f"{tried[rate]:6.1f}{'*' if rate == best[step] else ' '}" if rate in tried else " " * 7 for rate in RATES)
    print(f"{step:21}", *row)
    assert len(there) >= 3 and best[step] not in (there[0], there[-1])
''')
md("stairs-guess", """
⟦…⟧ Then 15 epochs at these rates. The last line is not a step: it is `better_net`, which has the same units as the line above and smaller maps.
""")
code("stairs-table", '''
print("                parameters     MACs   two seeds          mean   gain")
fields, means, scatter, before = {"network", "lr", "seed"}, {}, [], None
for step, name in NETWORKS.items():
    two = [read_record(f"{name}_seed{seed}", STAIRS) for seed in (0, 1)]
    a, b = (run["test"]["accuracy"] for run in two)
    for run in two:
        common = {key: value for key, value in run["recipe"].items() if key not in fields}
        assert run["recipe"]["lr"] == best[step] and 0.94 < run["parameters"] / 187_418 <= 1
        assert run["test"]["images"] == 5_000 and common == (before or common)
        before = common
    scatter.append((a - b) ** 2 / 2)
    gain = f"{(a + b) / 2 - list(means.values())[-1]:+.2f}" if means else ""
    means[step] = (a + b) / 2
    print(f"{step:15} {run['parameters']:9,}  {run['macs'] / 1e6:5.1f} M   {a:.2f} %  {b:.2f} %  {means[step]:.2f}  {gain}")
luck = statistics.mean(scatter) ** 0.5
steps = common["epochs"] * -(-10_000 // common["batch_size"])
print(f"standard deviation from seed to seed: {luck:.2f} points; {steps:,} training steps each")
''')
code("stairs-picture", '''
staircase = [(step, mean) for step, mean in means.items() if step != "smaller maps"]
errors = [(mean * (100 - mean) / 5_000 + luck**2 / 2) ** 0.5 for _, mean in staircase]
print(f"standard errors from {min(errors):.2f} to {max(errors):.2f} points")
shown = plots.waterfall(staircase, "accuracy on the validation images (%)", errors)
''')
md("stairs-seen", """
*In the picture: a staircase of bars, each from the accuracy before a change to the accuracy after it; the black lines are standard errors, of 5,000 images and of two seeds. The axis does not begin at zero.*

⟦…⟧
""")
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
keep("09-019", ('for name in ("session_net", *(f"better_{step}" for step in STEPS), "better_net"):\n', 'for name in ("session_net", "staircase_deep", "staircase_separable", "staircase_gated", "mixed_net"):\n'), ("{name:16}", "{name:19}"), ("the quickest of a few", "the fastest of six"))
md("09-020", """
⟦…⟧ On the two CPU cores that made this page, uncompiled. Notebook 03 said why: depthwise convolutions, and the activations and products between them,
compute little with each number that they fetch, so memory sets their pace and not arithmetic.

Why is the mixture only in the last two of the four blocks? One depthwise layer, 32 channels at 32×32 pixels, in the three forms that the mixture is made of:
""")
keep("09-021")
keep("09-022", ("So the mixture stays in the last block, where the maps are smallest.", "So the mixture stays where the maps are small."))
sub("network", ("`fine`, in section 4, had tried something like it without a clear gain, so this is a bet; it was not chosen among several.", "⟦smaller maps: line of the table⟧ It was not chosen among several."))
sub("09-028", (" The learning rate of `mixed_net` was chosen among three, five epochs each on 10,000 training images, with `gentle` and without a teacher, scored on the held-out ones:", " Its learning rate is that of section 4, chosen after five epochs with `gentle` and without a teacher. That it is also right for 84 epochs with a teacher is assumed."))
