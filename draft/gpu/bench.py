"""One variant a process: step time of a network, real code path, invented images."""
import sys, time, fcntl, torch, dataclasses
name, batch, cl, graphs, bm = sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4]), int(sys.argv[5])
torch.backends.cudnn.benchmark = bool(bm)
from helpers.training.recipe import Recipe
from helpers.training.machine import Speed
from helpers.training.run import Run
dev = torch.device(sys.argv[6] if len(sys.argv) > 6 else "cuda")
import helpers.training.run as R
from helpers.networks import build
R.load_pretrained = lambda *a: build("deep_teacher_net").eval()
kw = dict(network=name, batch_size=batch, epochs=84)
if name == "mixed_net": kw |= dict(optimizer="AdamW", lr=0.01, weight_decay=0.05, decayed="kernels", clip=1.0, ema=0.998, teacher="x")
elif "teacher" in name: kw |= dict(lr=0.4, weight_decay=0.0015, ema=0.99)
speed = dataclasses.replace(Speed.best(dev), channels_last=bool(cl))
speed = dataclasses.replace(speed, graphs=bool(graphs) and speed.compile)
t = time.time(); torch.manual_seed(0)
run = Run(Recipe(**kw), 50000, dev, speed)
ok = run.compiles()
N = 60 if dev.type == "cuda" else 2
x = [(torch.randint(0, 256, (batch, 32, 32, 3), dtype=torch.uint8), torch.randint(0, 10, (batch,))) for _ in range(N)]
if dev.type == "cuda": x = [(a.pin_memory(), b.pin_memory()) for a, b in x]
run.train_epoch(x[:15 if dev.type == "cuda" else 1])
built = time.time() - t
lock = open("/tmp/bench.lock", "w"); fcntl.flock(lock, fcntl.LOCK_EX)
best = []
for _ in range(3):
    t = time.perf_counter(); run.train_epoch(x); best.append((time.perf_counter() - t) / N)
ms = 1000 * min(best)
print(f"{name} batch {batch} channels_last {cl} graphs {graphs} benchmark {bm}: {ms:.2f} ms a step, epoch {ms/1000*50000/batch:.2f} s; compiled {ok} {getattr(run,'failure','')}; {built:.0f} s to build; all {[round(1000*b,2) for b in best]}", flush=True)
if dev.type == "cuda" and bm == 0 and name == "mixed_net" and graphs == 0:
    from torch.profiler import profile, ProfilerActivity
    with profile(activities=[ProfilerActivity.CUDA]) as p: run.train_epoch(x[:10])
    print(p.key_averages().table(sort_by="cuda_time_total", row_limit=14, max_name_column_width=70)[:6000], flush=True)
