"""Programs made for tunnels, relays and overlay networks, by name."""

from apps.detection.argv.names import names

# Any use of these (asking for help aside) leads connections out of this network or into it.
TUNNELS = names(
    """
    anydesk beame code-server-tunnel cpolar earthworm ew_for_linux ew_for_linux64 frp frpc frps gotty
    gs-mount gs-netcat gs-sftp gsocket holesail hypertunnel ligolo ligolo-agent ligolo-ng linux_x64_agent
    localtonet localtunnel localxpose loclx lt meshagent natapp natpass npc nps nsocks outray pagekite
    pagekite.py pinggy playit rathole remotemoe reverse_ssh revsocks rsocks rssh rustdesk shellinaboxd sish
    srv.us sshtunnel sshuttle sshx stowaway sunny tailscaled teleport-agent tinyproxy-tunnel tmate tmole
    ttyd tunnelmole tunnelto venom websocat wetty
    """
)
# These do so with certain subcommands.
TUNNEL_VERBS = {
    "chisel": names("client server"),
    "bore": names("local server"),
    "bore-cli": names("local server"),
    "ngrok": names("http https service start tcp tls tunnel"),
    "zrok": names("access enable reserve share"),
    "inlets": names("client http server tcp"),
    "inlets-pro": names("client http server tcp"),
    "devtunnel": names("connect create host port"),
    "loophole": names("http path webdav"),
    "expose": names("share"),
    "boringproxy": names("client server tuntap"),
    "jprq": names("http serve tcp"),
    "telebit": names("http ssh tcp"),
    "wstunnel": names("client server"),
    "iox": names("fwd proxy"),
    "packetriot": names("http start tcp tunnel"),
    "pktriot": names("http start tcp tunnel"),
    "upterm": names("host"),
}
PROXIES = names(
    """
    3proxy brook clash cntlm corkscrew danted dnsproxy-socks glider goproxy gost graftcp htc hts httptunnel
    hysteria hysteria2 i2pd juicity-client lantern microsocks mihomo mitmdump-socks naive obfs4proxy polipo
    pproxy privoxy proxychains proxychains4 proxytunnel redir redsocks redsocks2 rinetd simpleproxy sing-box
    snowflake-client sockd socksd srelay ss-local ss-redir ss-server ssf sslocal sslocal-rust ssserver tor
    torify torsocks trojan trojan-go tuic-client tun2socks v2ray xray
    """
)
# They hide a tunnel in DNS, ICMP or UDP.
COVERT = names(
    """
    chashell client_linux_amd64 dns2tcpc dns2tcpd dnscat dnscat2 dnstt-client dnstt-server hans heyoka
    icmpsh icmptunnel icmptx iodine iodined kcptun ozymandns ptunnel ptunnel-ng pwnat server_linux_amd64
    slipstream sliver-dns tcp-over-dns udp2raw udptunnel wireproxy
    """
)
# Overlay networks and VPN clients; an empty set means any use.
OVERLAYS = {
    "tailscale": names("funnel login nc serve set ssh up"),
    "zerotier-cli": names("join"),
    "zerotier-one": names(""),
    "openvpn": names(""),
    "wg-quick": names("up"),
    "wireguard-go": names(""),
    "nebula": names(""),
    "netbird": names("login ssh up"),
    "headscale": names("serve"),
    "easytier-core": names(""),
    "n2n": names(""),
    "edge": names(""),
    "tincd": names(""),
    "cloudflare-warp": names(""),
    "warp-cli": names("connect"),
    "openconnect": names(""),
    "vpnc": names(""),
    "pptp": names(""),
}
