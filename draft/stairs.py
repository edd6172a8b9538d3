"""Run the staircase, one after the other, into /work/own_runs/staircase; skip what is there."""
import subprocess, os, json, sys, time
R="/work/own_runs/staircase"; NETS=["session_net"]+["staircase_"+s for s in ("deep","separable","residual","smooth","gated")]+["mixed_net"]
COMMON=["--images","10000","--validate","--precision","bfloat16"]
ADAMW=["--optimizer","AdamW","--weight-decay","0.05","--decayed","kernels","--clip","1"]
RATES=(0.0001,0.0003,0.001,0.003,0.01,0.03,0.1,0.3)
def train(name, *options):
    if os.path.exists(f"{R}/{name}/record.json"): return acc(name)
    cmd=[sys.executable,"-m","helpers.training",*options,*COMMON,"--name",name,"--resume","--runs",R]
    t=time.time(); print(time.strftime("%H:%M"),name,flush=True); subprocess.run(cmd,check=True,stdout=subprocess.DEVNULL,stderr=open(f"{R}/{name}.err","w"))
    print("   ",acc(name),f"{time.time()-t:.0f} s",flush=True); return acc(name)
def run(name, net, lr, epochs, seed, *more): return train(name,"--network",net,"--epochs",str(epochs),*ADAMW,"--lr",str(lr),"--seed",str(seed),*more)
def acc(name): return json.load(open(f"{R}/{name}/record.json"))["test"]["accuracy"]
os.makedirs(R,exist_ok=True); short=lambda n:n.replace("staircase_","")
best={}
for net in NETS[::-1]+["better_net"]:
    a={lr:run(f"{short(net)}_lr_{lr}",net,lr,5,0) for lr in (0.003,0.01,0.03)}
    while max(a,key=a.get)==min(a): lr=RATES[RATES.index(min(a))-1]; a[lr]=run(f"{short(net)}_lr_{lr}",net,lr,5,0)
    while max(a,key=a.get)==max(a): lr=RATES[RATES.index(max(a))+1]; a[lr]=run(f"{short(net)}_lr_{lr}",net,lr,5,0)
    best[net]=max(a,key=a.get)
print(best,flush=True)
lr=best["mixed_net"]
for seed in (0,1):
    for net in NETS: run(f"{short(net)}_seed{seed}",net,best[net],15,seed)
for seed in (0,1): run(f"better_net_seed{seed}","better_net",best["better_net"],15,seed)
run("strong_seed0","mixed_net",lr,15,0,"--augment","strong")
# was SiLU's loss that of the rate, chosen after five epochs?
run("smooth_slower_seed0","staircase_smooth",0.01,15,0)
run("strong_seed1","mixed_net",lr,15,1,"--augment","strong")
# a teacher that has seen the same 10,000 images and no other; teacher_36 knows the held-out ones
train("teacher","--network","teacher_net","--epochs","24","--batch-size","256","--lr","0.3","--weight-decay","0.0015","--ema","0.98","--augment","strong","--seed","0")
for seed in (0,1): run(f"taught_seed{seed}","mixed_net",lr,15,seed,"--augment","strong","--teacher","teacher")
for seed in (0,1): run(f"longer_seed{seed}","mixed_net",lr,30,seed,"--augment","strong")
