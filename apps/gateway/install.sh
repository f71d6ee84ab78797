#!/bin/sh
# Puts this host under Sentinel's watch: fetches the host agent from the server, enrols, starts it.
#
#   curl -fsS SERVER/agent/v1/install | SENTINEL_ENROL_TOKEN=... sh
#
# Options (after `sh -s --`): --server URL  --token T  --prefix DIR  --state DIR  --ca-file FILE  --no-start
#   --allow-drills: people may start a drill on this host from the server
# Needs Python 3.11, 3.12 or 3.13 and nothing else; SENTINEL_PYTHON names one that is not on PATH.
# Everything happens in a function that the last line calls, so half a download does nothing.
set -eu

say() { printf '%s\n' "$*"; }
fail() { printf 'sentinel: %s\n' "$*" >&2; exit 1; }

options() {
    server=@SERVER@
    token=${SENTINEL_ENROL_TOKEN:-}
    unset SENTINEL_ENROL_TOKEN # nothing started from here inherits it by accident
    ca_file='' start=yes drills=
    if [ "$(id -u)" = 0 ]; then
        prefix=/opt/sentinel-hostagent state=/var/lib/sentinel-hostagent
    else
        prefix=$HOME/.local/share/sentinel-hostagent state=$HOME/.local/state/sentinel-hostagent
    fi
    while [ $# -gt 0 ]; do
        case $1 in
            --no-start) start=no; shift; continue ;;
            --allow-drills) drills=yes; shift; continue ;;
            --server | --token | --prefix | --state | --ca-file) [ $# -gt 1 ] || fail "$1 needs a value" ;;
            *) fail "unknown option $1" ;;
        esac
        case $1 in
            --server) server=$2 ;;
            --token) token=$2 ;;
            --prefix) prefix=$2 ;;
            --state) state=$2 ;;
            --ca-file) ca_file=$2 ;;
        esac
        shift 2
    done
    case $server in http://* | https://*) ;; *) fail "not a server's address: $server" ;; esac
    case $prefix in /*) ;; *) fail "--prefix has to be an absolute path" ;; esac
    case $state in /*) ;; *) fail "--state has to be an absolute path" ;; esac
    [ -n "$token" ] || fail "no enrolment token: make one on the hosts page and set SENTINEL_ENROL_TOKEN"
}

find_python() {
    for python in ${SENTINEL_PYTHON:+"$SENTINEL_PYTHON"} python3 python3.13 python3.12 python3.11; do
        python=$(command -v "$python" 2>/dev/null) || continue
        # Its own word on where it is: what PATH found may be a wrapper or a virtual environment.
        python=$("$python" -I -c '
import ctypes, sqlite3, ssl, sys
print(getattr(sys, "_base_executable", sys.executable))
sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))' 2>/dev/null) && return 0
    done
    fail "no Python from 3.11 to 3.13 (with ctypes, sqlite3 and ssl) on PATH; set SENTINEL_PYTHON to one"
}

fetch() {
    # By Python and with the token on its environment: an argument of curl would be seen by every user here.
    SENTINEL_ENROL_TOKEN=$token "$python" -I - "$server" "$ca_file" "$1" <<'PYTHON'
import os, ssl, sys, urllib.error, urllib.request

server, ca_file, target = sys.argv[1:]
request = urllib.request.Request(server.rstrip("/") + "/agent/v1/package")
request.add_header("Authorization", "Bearer " + os.environ["SENTINEL_ENROL_TOKEN"])
context = ssl.create_default_context(cafile=ca_file or None) if server.startswith("https:") else None
try:
    with urllib.request.urlopen(request, timeout=60, context=context) as answer, open(target, "wb") as file:
        file.write(answer.read())
except urllib.error.HTTPError as error:
    refused = "the token is not known, was used or has expired" if error.code == 401 else "answer %d" % error.code
    sys.exit("sentinel: the server did not hand out the host agent: " + refused)
except OSError as error:
    sys.exit("sentinel: %s cannot be reached: %s" % (server, getattr(error, "reason", error)))
PYTHON
}

unpack() {
    "$python" -I - "$1" "$2" <<'PYTHON'
import json, os, platform, sys, tarfile

archive, target = sys.argv[1:]
with tarfile.open(archive) as tar:
    fits = json.load(tar.extractfile("platform.json"))
    machine = {"amd64": "x86_64", "arm64": "aarch64"}
    here, there = platform.machine().lower(), fits["machine"]
    if (platform.system(), machine.get(here, here)) != (fits["system"], machine.get(there, there)):
        sys.exit("sentinel: the server hands out the host agent for %s on %s, this host is %s on %s"
                 % (fits["system"], there, platform.system(), here))
    libc, version = platform.libc_ver()
    numbers = [int(part) for part in version.split(".")[:2] if part.isdigit()]
    if fits["libc"] == "glibc" and (libc != "glibc" or numbers < fits["libc_version"]):
        sys.exit("sentinel: the host agent needs glibc %d.%d, this host has %s"
                 % (*fits["libc_version"], (libc + " " + version).strip() or "another C library"))
    for entry in tar.getmembers():
        parts = entry.name.split("/")
        if not entry.isfile() or entry.name.startswith("/") or ".." in parts:
            sys.exit("sentinel: the archive is not one of ours")
    os.umask(0o022)
    tar.extractall(target, **({"filter": "data"} if hasattr(tarfile, "data_filter") else {}))
PYTHON
}

# A virtual environment made by hand: the venv module is not on every host, and a link and a file are all it is.
lay_out() {
    mkdir -p "$1/bin"
    for minor in 11 12 13; do
        mkdir -p "$1/lib/python3.$minor"
        ln -s ../../site-packages "$1/lib/python3.$minor/site-packages"
    done
    ln -s "$python" "$1/bin/python3"
    printf 'home = %s\ninclude-system-site-packages = false\n' "$(dirname "$python")" >"$1/pyvenv.cfg"
    printf '#!/bin/sh\nexec "%s/bin/python3" -I -m hostagent "$@"\n' "$prefix" >"$1/bin/sentinel-hostagent"
    chmod 755 "$1/bin/sentinel-hostagent"
}

put_in_place() {
    mkdir -p "$(dirname "$prefix")"
    fresh=$prefix.new.$$
    trap 'rm -rf "$fresh"' EXIT
    mkdir -m 755 "$fresh"
    fetch "$fresh/package.tar.gz" || exit 1
    unpack "$fresh/package.tar.gz" "$fresh" || exit 1
    rm "$fresh/package.tar.gz"
    lay_out "$fresh"
    "$fresh/bin/python3" -I -m hostagent --version >/dev/null || fail "the host agent does not run on this host"
    stop_old
    if [ -e "$prefix" ]; then mv "$prefix" "$prefix.old.$$"; fi
    mv "$fresh" "$prefix"
    rm -rf "$prefix.old.$$"
    trap - EXIT
}

stop_old() {
    if [ -f "$state/agent.pid" ]; then
        old=$(cat "$state/agent.pid")
        # The number may belong to somebody else by now.
        if tr '\0' ' ' <"/proc/$old/cmdline" 2>/dev/null | grep -q -- '-m hostagent run'; then
            kill "$old" && while kill -0 "$old" 2>/dev/null; do sleep 0.1; done
        fi
        rm -f "$state/agent.pid"
    fi
}

enrol() {
    if [ -f "$state/agent.json" ]; then
        say "This host is enrolled already; the program was replaced, the token was not used."
        return
    fi
    SENTINEL_ENROL_TOKEN=$token "$prefix/bin/sentinel-hostagent" enrol --state "$state" --server "$server" \
        ${ca_file:+--ca-file "$ca_file"} ${drills:+--allow-drills} || fail "the host was not enrolled"
}

start_it() {
    if [ "$(id -u)" = 0 ] && [ -d /run/systemd/system ]; then
        cat >/etc/systemd/system/sentinel-hostagent.service <<UNIT
[Unit]
Description=Sentinel host agent
After=network-online.target
Wants=network-online.target

[Service]
ExecStart="$prefix/bin/sentinel-hostagent" run --state "$state"
Restart=always
RestartSec=2
KillMode=mixed
Delegate=yes
OOMScoreAdjust=-500

[Install]
WantedBy=multi-user.target
UNIT
        systemctl daemon-reload
        systemctl enable --quiet sentinel-hostagent
        systemctl restart sentinel-hostagent
    else
        # From the root directory: an agent must not hold the folder that it was started from.
        (cd / && exec setsid nohup "$prefix/bin/sentinel-hostagent" run --state "$state") \
            </dev/null >>"$state/agent.log" 2>&1 &
        echo $! >"$state/agent.pid"
        unmanaged=yes
    fi
    tries=50
    until "$prefix/bin/sentinel-hostagent" status --state "$state" >/dev/null 2>&1; do
        tries=$((tries - 1))
        [ $tries -gt 0 ] || fail "the host agent does not start; see $state/agent.log or the journal"
        sleep 0.2
    done
    say "The host agent watches this host."
    if [ "${unmanaged:-no}" = yes ]; then
        say "Nothing starts it again after a reboot: there is no systemd here (or you are not root). To start it:"
        say "  $prefix/bin/sentinel-hostagent run --state $state"
        say "To stop it: kill \$(cat $state/agent.pid)"
    fi
}

main() {
    options "$@"
    find_python
    put_in_place
    enrol
    if [ "$start" = yes ]; then
        start_it
    else
        say "Not started. To start it: $prefix/bin/sentinel-hostagent run --state $state"
    fi
}

main "$@"
