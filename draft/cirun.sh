pkill -STOP -f "helpers.training --n"
rm -rf /tmp/me/ci; mkdir -p /tmp/me/ci; cd /tmp/me/ci; git clone -q /work/main repo; ln -s /work/shared shared; cd repo
t=$(date +%s); env -i HOME=/root PATH=/root/.pyenv/shims:/root/.pyenv/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin bash .ci/run; rc=$?; echo "rc $rc $(( $(date +%s)-t )) s"
pkill -CONT -f "helpers.training --n"; pkill -CONT -f forkserver
