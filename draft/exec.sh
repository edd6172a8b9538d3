# exec.sh NAME: execute a notebook in full mode, in place, training halted (no CONT)
source /work/venv/bin/activate; export CIFAR10_DIR=/work/shared/cifar10 NO_ALBUMENTATIONS_UPDATE=1 NOTEBOOK_MODE=full
pkill -STOP -f "helpers.training --n"
cd /work/main && time jupyter nbconvert --to notebook --execute --inplace --ExecutePreprocessor.timeout=900 notebooks/$1.ipynb
