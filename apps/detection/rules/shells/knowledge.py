"""Words that mean "a connection" and "a shell" in the languages people write one-liners in."""

CONNECTS = (
    "socket.socket", "socket(", "create_connection", "socket.create", "open_connection", "start_server(",
    "tcpsocket", "tcpserver", "fsockopen", "pfsockopen", "stream_socket_client", "socket_create",
    "io::socket", "sockaddr_in", "inet_aton", "net.socket", "net.connect", "net.createconnection",
    "net.createserver", "createconnection(", "createserver(", "/inet/", "socket.tcp", 'require("socket")',
    "require('socket')", "luasocket", "java.net.socket", "new socket(", "tclsocket", "socket -server",
    "[socket", "set s [socket", "socketconnection", "socket.connect", "tcpclient", "sockets.tcp",
    "connect(", "net.dial", "tcpstream", "gen_tcp", "socketpair", "serversocket", "child_process').exec",
    "websocket", "vim.fn.sockconnect", "uv.new_tcp", "/dev/tcp/", "/dev/udp/", "aio.open", "tcp_connect",
    "make-network-process", "require 'socket'", "-rsocket", "io.socket", "requests.get(", "urlopen(",
    "http.get(",
)  # fmt: skip
LASTING = (
    "socket", "connection", "connect(", "/inet/", "fsockopen", "createserver", "gen_tcp", "tcpclient",
    "net.dial", "tcpstream", "net.connect", "/dev/tcp/", "/dev/udp/", "uv.new_tcp", "make-network-process",
    "start_server(",
)  # fmt: skip
GIVES_SHELL = (
    "pty.spawn", "dup2", "os.system", "popen", "subprocess", "exec(", "exec ", "spawn(", "system(",
    "shell_exec", "passthru", "proc_open", "getruntime", "processbuilder", "child_process", "io.popen",
    "os.execute", "backtick", "|getline", "| getline", "|& getline", "execfile", "open(stdin", "open stdin",
    "iex", "invoke-expression", "command.new", "os/exec", "run(pipeline", "fdopen", "system$", "`/bin",
    "`sh", "`bash", "process.new", "run(`", "read(`", ".execute(", "%x", "execve", "term ", "termopen",
    "`#{", "$stdin", "eval(", "pipe(", "exec sh",
)  # fmt: skip
SHELLS = (
    "/bin/sh", "/bin/bash", "bin/zsh", "bin/dash", "bin/ksh", "bash -i", "sh -i", "'sh'", '"sh"', "'bash'",
    '"bash"', "exec sh", "/system/bin/sh", "cmd.exe", '"cmd"', "'cmd'", "/bin/ash", "powershell",
    "busybox sh", "env('shell')", "$shell",
)  # fmt: skip
