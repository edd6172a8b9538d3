cd /work/main
for d in /work/own_runs/staircase/*/; do n=$(basename $d); [ -f $d/record.json ] && [ ! -f notebooks/runs/staircase/$n/record.json ] && mkdir -p notebooks/runs/staircase/$n && cp $d/record.json notebooks/runs/staircase/$n/ && echo $n; done
python -m helpers.publishing.results
