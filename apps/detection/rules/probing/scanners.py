"""Programs made to find hosts, ports, services and ways in."""

from apps.detection.argv.invocation import Invocation
from apps.detection.argv.names import names
from apps.detection.rules.base import Detail, Rule
from apps.detection.rules.common import SCRIPT_ENDINGS, asks_for_help, first_with

_SCANNERS = names(
    """
    nmap masscan zmap zgrab zgrab2 rustscan naabu unicornscan pnscan arp-scan netdiscover hping hping2
    hping3 nbtscan sx angryip ipscan fscan scanless dmitry xprobe2 amap onesixtyone snmp-check svmap smap
    ike-scan sslscan fping p0f arping-scan arpsweep netscan kscan goscan portscan port-scanner nimscan
    rustyscan zenmap nping tcpping-scan propecia pscan ssh-scan sshscan braa portquiz vulscan
    """
)
_TOOLKITS = names(
    """
    nikto gobuster ffuf dirb dirbuster wfuzz feroxbuster dirsearch sqlmap hydra medusa ncrack patator
    crowbar thc-hydra brutespray crackmapexec cme netexec nxc enum4linux enum4linux-ng smbmap rpcclient
    responder mitm6 ettercap bettercap arpspoof msfconsole msfvenom msfdb kerbrute evil-winrm
    bloodhound-python kube-hunter kubeletctl peirates cdk nuclei wpscan whatweb dnsrecon dnsenum fierce
    theharvester recon-ng sublist3r amass subfinder commix xsser beef-xss autorecon psexec.py wmiexec.py
    smbexec.py secretsdump.py getnpusers.py getuserspns.py ntlmrelayx.py dcomexec.py atexec.py
    impacket-psexec impacket-secretsdump impacket-wmiexec impacket-ntlmrelayx legba brutus linpeas
    linpeas.sh linenum.sh lse.sh pspy pspy64 pspy32 linux-exploit-suggester.sh les.sh
    linux-smart-enumeration deepce.sh traitor merlin sliver sliver-client sliver-server havoc empire
    powershell-empire covenant metasploit meterpreter cobaltstrike beacon yersinia scapy-scan reaver
    aircrack-ng airodump-ng wifite john unshadow hashcat setoolkit veil routersploit rsf.py sn1per legion
    openvas gvm-cli wapiti arachni zap-cli skipfish eyewitness aquatone gowitness
    """
)
_SCRIPTS = (
    "portscan", "port_scan", "netscan", "subnet_scan", "nmap", "linpeas", "sqlmap", "scanner.py",
    "dirsearch", "impacket", "psexec.py", "secretsdump", "bruteforce", "brute_force", "responder.py",
    "mimipenguin", "autosuid", "suid3num", "privesc", "linux-exploit", "lse.sh", "traitor", "linenum",
    "exploit.py", "lazagne", "ping_sweep", "pingsweep", "arp_scan", "host_discovery",

)  # fmt: skip
_LOCAL_ONLY = (
    "--iflist", "--script-updatedb", "--script-help", "--readscan", "--echo", "--iflist", "--debug",
)  # fmt: skip


def _scanner(invocation: Invocation) -> Detail | None:
    args = invocation.args
    if asks_for_help(args) or any(word in _LOCAL_ONLY[:3] for word in args):
        return None
    if invocation.program == "fping" and not {"-g", "--generate", "-a", "--alive", "-f", "--file"} & set(
        args
    ):
        return None
    targets = [
        word for word in args if word[:1] != "-" and not word.replace(",", "").replace("-", "").isdigit()
    ]
    return {"program": invocation.program, "targets": targets[-3:], "arguments": " ".join(args)}


def _toolkit(invocation: Invocation) -> Detail | None:
    args = invocation.args
    if args and (asks_for_help(args) or args[:1] == ("--list",)):
        return None
    bare = frozenset(
        {
            "msfconsole",
            "bettercap",
            "linpeas.sh",
            "linpeas",
            "pspy64",
            "pspy",
            "msfdb",
            "lse.sh",
            "les.sh",
            "beacon",
        }
    )
    if not args and invocation.program not in bare:
        return None
    return {"program": invocation.program, "arguments": " ".join(args)}


def _python_tool(invocation: Invocation) -> Detail | None:
    script = next((word for word in invocation.args[:6] if word[:1] != "-"), "")
    named = first_with([script.rpartition("/")[2]], *_SCRIPTS)
    return (
        {"script": script}
        if named and (named.endswith((".py", ".sh", ".rb", ".pl")) or "-m" in invocation.args)
        else None
    )


SCANNER = Rule(
    slug="network-scanner",
    version=1,
    family="probing",
    behaviour="internal probing",
    level="high",
    technique="T1046",
    title="Network scanner started",
    description=(
        "A program whose purpose is to find hosts, ports or services (nmap, masscan, zmap, rustscan, "
        "hping, fping -g ...)."
    ),
    false_positives="Network administration by an operator on a login host.",
    examples=(
        "nmap -sS -p 1-65535 10.0.0.0/24", "masscan 10.0.0.0/8 -p22 --rate 10000",
        "fping -a -g 10.0.0.0/24",
    ),
    match=_scanner,
    programs=_SCANNERS,
)  # fmt: skip
TOOLKIT = Rule(
    slug="attack-toolkit",
    version=1,
    family="probing",
    behaviour="internal probing",
    level="high",
    technique="T1588.002",
    title="Attack tool started",
    description=(
        "A program made to enumerate, guess passwords, exploit or move on (hydra, gobuster, netexec, "
        "msfconsole, linpeas ...)."
    ),
    false_positives="Security exercises; runs that train on them should expect it.",
    examples=(
        "hydra -l root -P words.txt ssh://10.0.0.5", "gobuster dir -u http://10.0.0.5 -w w.txt",
        "msfconsole -r a.rc",
    ),
    match=_toolkit,
    programs=_TOOLKITS,
)  # fmt: skip
SCRIPT = Rule(
    slug="scanner-script",
    version=1,
    family="probing",
    behaviour="internal probing",
    level="high",
    technique="T1046",
    title="Scanner script started",
    description="An interpreter is given a script whose name says that it scans or attacks.",
    false_positives="A project's own module that happens to be called so.",
    examples=("python3 /tmp/port_scanner.py 10.0.0.0/24", "bash ./linpeas.sh -a"),
    match=_python_tool,
    programs=frozenset({"python", "bash", "sh", "perl", "ruby"}),
    hints=(
        "scan", "peas", "sqlmap", "dirsearch", "impacket", "psexec", "secretsdump", "brute", "responder",
        "mimipenguin", "linenum", "exploit", "lazagne", "suid", "privesc", "lse.sh", "traitor", "sweep",
        "nmap", "host_discovery",
    ),
    gates=(*SCRIPT_ENDINGS, "-m", "nmap", "sqlmap"),
)  # fmt: skip
RULES = (SCANNER, TOOLKIT, SCRIPT)
