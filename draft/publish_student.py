"""When mixed_84_taught is finished: into the repository, with all that names it. Then results, tests."""
import sys, shutil, json, os; sys.path.insert(0,"/tmp/me"); sys.path.insert(0,"/work/main"); os.chdir("/work/main")
from ed import text
from helpers.records import read_record, write_record, RUNS
shutil.copytree("/work/own_runs/mixed_84_taught", RUNS/"mixed_84_taught", ignore=shutil.ignore_patterns("checkpoint*","lock"), dirs_exist_ok=True)
r=read_record("mixed_84_taught")
r["chosen_on"]=("learning rate: the best of three, on held-out training images; network: drawn up after better_net's accuracy on the test images was known, and not chosen among several; "
  "augmentation, weight decay and moving average: taken over from better_62 and better_42_taught, which the test set had informed; its teacher's accuracy on the test images was known")
r["raw_weights"]=json.load(open("/tmp/me/raw84.json"))  # {"correct":…, "images":…}: the weights of the last step, from the checkpoint of the last epoch
write_record(r)
text("helpers/plots/style.py",[('BLACK = "#000000"\n','BLACK = "#000000"\nBROWN = "#8C510A"  # of K. Brewer\'s palettes\n'),('    "original": GREY,\n','    "mixed_84_taught": BROWN,\n    "mixed_net, taught": BROWN,\n    "original": GREY,\n'),('BLACK: "v-",','BLACK: "v-", BROWN: "X-",')])
text("helpers/networks/registry.py",[('BEST = "better_42_taught"','BEST = "mixed_84_taught"')])
text("tests/test_runs.py",[('''        "teacher_18",
        "teacher_36",
    }''','''        "teacher_18",
        "teacher_36",
        "mixed_84_taught",
    }''')])
text("notebooks/runs/README.md",[("| `no_augmentation` | `less","| `mixed_84_taught` | `mixed_net`, 84 epochs with `teacher_36` as its teacher; `raw_weights` in its record: what the weights of the last step reach without their moving average | 09 |\n| `no_augmentation` | `less"),
 ("the same, 36 epochs of those views: the teacher of the next better one","the same, 36 epochs of those views: the teacher of `mixed_84_taught`")])
text("README.md",[
("so their figures flatter: a second attempt is under way; of `mixed_net`, which has larger maps, only the learning rate was chosen, on held-out images; augmentation, weight decay and average are those of these two runs.",
 "so their figures flatter. Of `mixed_84_taught`, whose network has larger maps, the learning rate was chosen on held-out images; augmentation, weight decay and average are those of these two runs, and so a little informed, too."),
("`teacher_36` is to teach it; that one and","`teacher_36` taught it; that one and"),
("Under way are 84 epochs of `mixed_net`, seed 0; seeds 1 and 2 are to follow:","Of `mixed_84_taught` seeds 1 and 2 are still to be run:"),
])
