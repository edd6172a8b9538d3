cd /tmp/me/student; source /work/venv/bin/activate; export CIFAR10_DIR=/work/shared/cifar10 NO_ALBUMENTATIONS_UPDATE=1
python /tmp/me/stairs.py
