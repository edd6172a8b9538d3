# keeps the state after the last epoch (raw weights beside the average), before the run deletes it
D=/work/own_runs/mixed_84_taught
while [ ! -f $D/record.json ]; do
  if grep -aq "EPOCH: 84/84" /tmp/me/student2.log && [ ! -f /work/own_runs/mixed_84_last.pt ]; then ln $D/checkpoint.pt /work/own_runs/mixed_84_last.pt; fi
  sleep 1
done
