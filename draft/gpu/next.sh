# On the device, second call. LIMIT: seconds. Three pupils of deep_teacher_40 side by side: each is host-bound (GPU 35 % busy
# with one), seed 0 goes on from epoch 24. First call (see README): sheets a, teacher, checkpoint; this one: sheets b, wheels.
set -u
mv .gpu/b/* /tmp/sheets/
python3 -m pip install -q --no-index --no-deps --no-compile --no-cache-dir --upgrade --target /tmp/site .whl/*.whl || exit 1
export PYTHONPATH=/tmp/site:$PWD NO_ALBUMENTATIONS_UPDATE=1 PYTHONUNBUFFERED=1 TORCHINDUCTOR_CACHE_DIR=/tmp/ind CIFAR10_DIR=/tmp/sheets
R=/tmp/runs; ls $R
end=$(( $(date +%s) + LIMIT )); left() { echo $(( end - $(date +%s) )); }
for s in 0 1 2; do
  n=mixed_84_deep_$s
  timeout -s INT $(left) python3 -m helpers.training --name $n --network mixed_net --optimizer AdamW --lr 0.01 --weight-decay 0.05 --decayed kernels --clip 1 --ema 0.998 --augment strong --epochs 84 --teacher deep_teacher_40 --seed $s --precision bfloat16 --workers 5 --resume --runs $R >> $R/$n.log 2>&1 &
done
( while sleep 30; do echo "$(date +%T) left $(left) $(nvidia-smi --query-gpu=utilization.gpu --format=csv,noheader) $(uptime | sed 's/.*average//')"; for s in 0 1 2; do tail -1 $R/mixed_84_deep_$s.log | cut -c1-150; done; done ) & w=$!
wait $(jobs -p | grep -v $w); kill $w
for s in 0 1 2; do tail -2 $R/mixed_84_deep_$s.log | cut -c1-200; done
cp $R/*.log $OUT/; (cd $R && tar cf $OUT/pupils.tar --exclude=deep_teacher_40 --exclude='*.log' --exclude=lock --exclude='*.last' .); ls -la $OUT
