"""Stability, one thing at a time: better_net-like units, 10,000 training images, AdamW at a high rate."""
import sys, json, functools, torch, statistics, time, dataclasses, os
from torch import nn
import helpers.training.run as R
from helpers.training.distillation import cross_entropy
from helpers.training import Recipe
import helpers.training.recipe as RC
from helpers.networks import registry as G
from helpers.networks.better import residual_net, BoundedSiLU, SeparableUnit, LARGE_MAPS, NEAR, MIXED
from helpers.data import load_cifar10, split
from helpers.training.machine import best_device
import inspect
class Sig(nn.Module):
    def forward(self,x): return x.sigmoid()
def zero_off():
    n=residual_net()
    for m in n.modules():
        if isinstance(m,SeparableUnit): nn.init.ones_(m.last_norm.weight)
    return n
V={"base":{}, "unbounded":{"net":lambda: residual_net(activation=nn.SiLU)}, "sigmoid gate":{"net":lambda: residual_net(activation=Sig)},
   "clip 1":{"clip":1.0}, "beta2 0.95":{"b2":.95}, "warmup 0.4":{"warmup":.4}, "last norm one":{"net":zero_off}, "warmup 0.05":{"warmup":.05}}
def main():
    lr=float(sys.argv[1]); which=sys.argv[2].split(",") if len(sys.argv)>2 else list(V)
    images,labels=load_cifar10(True)
    (ti,tl),(vi,vl)=split(images,labels)
    g=torch.Generator().manual_seed(0); p=torch.randperm(len(tl),generator=g)[:int(os.environ.get("N","10000"))].numpy()
    out="/tmp/me/stab.jsonl"
    for name in which:
        o=V[name]; G.NETWORKS["probe"]=o.get("net",residual_net); losses=[]
        b2=o.get("b2",.999)
        RC.OPTIMIZERS["AdamW"]=lambda w,r: torch.optim.AdamW(w,r.lr,(r.momentum,b2),weight_decay=r.weight_decay)
        def logged(im,lo,la):
            l=cross_entropy(im,lo,la); losses.append(float(l.detach())); return l
        R.cross_entropy=logged
        rec=Recipe("probe",epochs=int(os.environ.get("E","12")),optimizer="AdamW",lr=lr,weight_decay=.05,decayed="kernels",clip=o.get("clip"),warmup=o.get("warmup",.2))
        t=time.time()
        try:
            net,h=R.fit(rec,(ti[p],tl[p]),(vi,vl),speed=R.Speed("bfloat16",True,False,True,1) if not os.environ.get("Q") else None)
            res=[r["test_accuracy"] for r in h]
        except Exception as e: res=[repr(e)[:100]]
        ls=losses[1:]; spikes=0
        for i in range(20,len(ls)):
            if ls[i]>statistics.median(ls[i-20:i])*1.5+.2: spikes+=1
        row={"lr":lr,"name":name,"val":res,"spikes":spikes,"max_after_100":max(ls[100:],default=None),"s":round(time.time()-t)}
        open(out,"a").write(json.dumps(row)+"\n"); print(row,flush=True)
if __name__=='__main__': main()
