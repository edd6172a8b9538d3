"""Run the staircase, one after the other, into /work/own_runs/staircase; skip what is there."""
import subprocess, os, json, sys, time
R="/work/own_runs/staircase"; NETS=["session_net"]+["staircase_"+s for s in ("deep","separable","residual","smooth","gated")]+["mixed_net"]
def run(name, net, lr, epochs, seed, *more):
    if os.path.exists(f"{R}/{name}/record.json"): return acc(name)
    cmd=[sys.executable,"-m","helpers.training","--network",net,"--epochs",str(epochs),"--images","10000","--validate","--optimizer","AdamW","--lr",str(lr),"--weight-decay","0.05","--decayed","kernels","--clip","1","--seed",str(seed),"--precision","bfloat16","--name",name,*more,"--resume","--runs",R]
    t=time.time(); print(time.strftime("%H:%M"),name,flush=True); subprocess.run(cmd,check=True,stdout=subprocess.DEVNULL,stderr=open(f"{R}/{name}.err","w"))
    print("   ",acc(name),f"{time.time()-t:.0f} s",flush=True); return acc(name)
def acc(name): return json.load(open(f"{R}/{name}/record.json"))["test"]["accuracy"]
os.makedirs(R,exist_ok=True); short=lambda n:n.replace("staircase_","")
best={}
for net in NETS[::-1]:
    a={lr:run(f"{short(net)}_lr_{lr}",net,lr,5,0) for lr in (0.003,0.01,0.03)}
    best[net]=max(a,key=a.get)
print(best,flush=True)
for seed in (0,1):
    for net in NETS: run(f"{short(net)}_seed{seed}",net,best[net],15,seed)
lr=best["mixed_net"]
for seed in (0,1):
    run(f"strong_seed{seed}","mixed_net",lr,15,seed,"--augment","strong")
    run(f"taught_seed{seed}","mixed_net",lr,15,seed,"--augment","strong","--teacher","teacher_36")
    run(f"longer_seed{seed}","mixed_net",lr,30,seed,"--augment","strong","--teacher","teacher_36")
