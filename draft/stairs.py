"""Run the staircase, one after the other, into /work/own_runs/staircase; skip what is there."""
import subprocess, os, json, sys, time
R="/work/own_runs/staircase"; NETS=["session_net"]+["staircase_"+s for s in ("deep","separable","residual","smooth","gated")]+["mixed_net"]
COMMON=["--images","10000","--validate","--precision","bfloat16"]
ADAMW=["--optimizer","AdamW","--weight-decay","0.05","--decayed","kernels","--clip","1"]
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
    best[net]=max(a,key=a.get)
print(best,flush=True)
lr=best["mixed_net"]
# a teacher that has seen the same 10,000 images and no other; teacher_36 knows the held-out ones
for seed in (0,1):
    for net in NETS: run(f"{short(net)}_seed{seed}",net,best[net],15,seed)
    train("teacher","--network","teacher_net","--epochs","24","--batch-size","256","--lr","0.3","--weight-decay","0.0015","--ema","0.98","--augment","strong","--seed","0")
    run(f"strong_seed{seed}","mixed_net",lr,15,seed,"--augment","strong")
    run(f"taught_seed{seed}","mixed_net",lr,15,seed,"--augment","strong","--teacher","teacher")
    run(f"longer_seed{seed}","mixed_net",lr,30,seed,"--augment","strong","--teacher","teacher")
    run(f"better_net_seed{seed}","better_net",best["better_net"],15,seed)
