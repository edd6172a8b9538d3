"""Accuracy of the raw weights (not the average) of the last epoch, float32, full test set."""
import torch, json
from helpers.networks import build
from helpers.data import load_cifar10, Cifar10, test_loader
from helpers.training import evaluate
s=torch.load("/work/own_runs/mixed_84_last.pt",map_location="cpu")
print(len(s["history"]))
for name,state in (("raw",s["network"]),("average",s["ema"]["module"])):
    n=build("mixed_net"); n.load_state_dict(state)
    import json
    t=evaluate(n,test_loader(Cifar10(*load_cifar10(False))),torch.device("cpu")); print(name,t["correct"],t["images"],t["loss"])
    if name=="raw": json.dump({"epoch":84,"correct":t["correct"],"images":t["images"],"accuracy":t["accuracy"],"loss":t["loss"]},open("/tmp/me/raw84.json","w"))
