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
- each has a learning rate of its own, the best of three after five epochs;
- then each learns for 15 epochs, twice, with two seeds: how far the two are apart tells what luck is worth.

All have the augmentation `gentle`, AdamW with weight decay on convolutions alone, and gradients no longer than 1. The first step changes several things at once: 17 ordinary 3×3 convolutions with padding, none grouped or dilated, on larger maps. From there on it is one. **Predict:** which step brings most? Is one of them a loss? The learning rates first, the best with a star:
""")
code("stairs-rates", '''
STAIRS, RATES = RUNS / "staircase", (0.003, 0.01, 0.03)
NETWORKS = {  # step: the name that its runs begin with
    "session_net": "session_net", "plain and deep": "deep", "separable": "separable", "a way round": "residual",
    "SiLU": "smooth", "a gate": "gated", "mixed kernels": "mixed_net", "smaller maps": "better_net",
}  # fmt: skip
print("highest learning rate", *(f"{rate:7}" for rate in RATES))
best = {}
for step, name in NETWORKS.items():
    tried = {rate: read_record(f"{name}_lr_{rate}", STAIRS)["test"]["accuracy"] for rate in RATES}
    best[step] = max(tried, key=tried.get)
    print(f"{step:21}", *(f"{tried[rate]:6.1f}{'*' if rate == best[step] else ' '}" for rate in RATES))
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
    before, scatter = common, [*scatter, (a - b) ** 2 / 2]
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

⟦…⟧ A step shorter than about 0.8 points may be luck. (All were asked the same images, so the true uncertainty of a step is somewhat smaller.) As many training steps as in the first staircase, so this one is fairer, not longer: it says what helps a beginner with 10,000 images.

And what do recipe and teacher bring to the last network of the staircase? Here the teacher is not the one of the next sections, which has seen the held-out images too, but a small run of its own (24 epochs of the same 10,000 images):
""")
code("stairs-recipe", '''
MORE = {"mixed kernels": "mixed_net", "more augmentation": "strong", "and a teacher": "taught", "and 30 epochs": "longer"}
last = None
for step, name in MORE.items():
    two = [read_record(f"{name}_seed{seed}", STAIRS)["test"]["accuracy"] for seed in (0, 1)]
    mean = statistics.mean(two)
    print(f"{step:18} {two[0]:.2f} %  {two[1]:.2f} %  mean {mean:.2f}" + (f"  {mean - last:+.2f}" if last else ""))
    last = mean
''')
md("stairs-recipe-seen", """
⟦…⟧

And what does a step of training cost? Milliseconds on this machine, for a batch of 32, the fastest of six:
""")
sub("09-019", ('for name in ("session_net", *(f"better_{step}" for step in STEPS), "better_net"):\n', 'for name in ("session_net", "staircase_deep", "staircase_separable", "staircase_gated", "mixed_net"):\n'), ("{name:16}", "{name:19}"), ("the quickest of a few", "the fastest of six"))
md("09-020", """
⟦…⟧
""")
