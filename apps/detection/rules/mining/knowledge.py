"""What miners are called, what they are told, and where they connect."""

from apps.detection.argv.names import names

PROGRAMS = names(
    """
    xmrig xmrig-notls xmrig-cuda xmrig-proxy xmrig-amd xmrig-nvidia xmrig-mo xmr-stak xmr-stak-rx
    xmr-stak-cpu xmrigcc xmrigdaemon xmrigminer minerd cpuminer cpuminer-multi cpuminer-opt cpuminer-avx2
    cpuminer-sse2 cpuminer-avx512 cpuminer-zen cpuminer-rkz astrominer deroluna deroluna-miner hellminer
    ccminer-verus nheqminer verus-solver verusminer spectreminer tnn-miner qli-client qubic-client
    apoolminer rqiner rqiner-x86 xelis_miner xelis-miner dero-miner derohe-miner nanominer noncerpro
    randomx-miner cryptonight-miner monero-miner ore-cli ore-miner orz mochimo iniminer spacemesh-miner
    alephium-miner alph-miner chia_plot bladebit chia-plotter plotman farmr nosso-miner epic-miner
    pool-mining-client raptoreum-miner avermore sugarmaker yescrypt-miner cpuminer-gr webchain-miner
    duino-miner t-rex trex lolminer nbminer gminer phoenixminer teamredminer srbminer srbminer-multi
    srbminer-multi-cuda bzminer rigel onezerominer onezero wildrig wildrig-multi kawpowminer ethminer
    ethdcrminer64 claymore ewbf zm z-enemy zenemy cryptodredge progpowminer verthashminer kapowarr-miner
    serominer grin-miner grinpro miniz bminer excavator energiminer ccminer cgminer bfgminer sgminer
    cgminer-zcash ckb-miner kaspa-miner kheavyhash-miner smine sminer iceriver-oc autolykos2_nvml_miner
    ergo-miner octopus-miner conflux-miner dynexsolve dynexminer zil-miner danila-miner tt-miner ttminer
    team-red-miner ethlargement danilaminer tonminer ton-miner pow-miner-cuda pow-miner-opencl karlsen-miner
    pyrin-miner clore-hosting vast-miner keryx-miner hoominer hoo_cpu hoo_gpu nicehash nicehashquickminer
    minergate minergate-cli minergate-service honeyminer cudominer cudominercli cudo-miner mmpos hive-miner
    minerstat msos unminable unmineable kryptex betterhash cryptotab p2pool stratum-proxy stratum_proxy
    ccminer-proxy xmr-node-proxy salad-cli kudzu-miner multipoolminer awesomeminer
    """
)
BANDWIDTH = names(
    """
    traffmonetizer earnapp honeygain peer2profit packetstream psclient iproyal pawns-cli repocket proxyrack
    bitping earn.fm proxylite mystnode myst grass-node
    """
)
ALGORITHMS = names(
    """
    rx rx/0 randomx rx/wow rx/arq rx/graft rx/xla rx/keva rx/sfx rx/yada randomwow randomarq randomgrft
    randomyada cn cn/r cn/half cn/gpu cn/upx2 cn-heavy cn-heavy/xhv cn-lite cn-pico cn/ccx cryptonight
    cryptonight-monerov7 cryptonight_gpu cryptonight_haven argon2/chukwa argon2/chukwav2 argon2/ninja
    ghostrider gr flex astrobwt astrobwt/v2 astrobwtv3 dero dero_pow etchash ethash ethashb3 ubqhash kawpow
    evrprogpow firopow meowpow progpow progpow-veil progpowz progpow_zano progpow-zano veriblock vprogpow
    autolykos autolykos2 octopus kheavyhash kaspa karlsenhash karlsenhashv2 pyrinhash pyrinhashv2 walahash
    blake3 blake3_alephium blake3_decred blake3_ironfish alephium ironfish nexapow nexa zelhash fluxcashaddr
    beamhash beamhashii beamhashiii equihash equihash125_4 equihash144_5 equihash192_7 equihash200_9
    equihash210_9 equihash96_5 aion cuckoo29 cuckoo cuckaroo cuckarood29 cuckarooz29 cuckatoo31 cuckatoo32
    cuckaroom29 cuckoocycle c29 c31 c32 grin32 mtp verthash vertcoin x11 x11gost x13 x15 x16r x16rv2 x16rt
    x16s x17 x21s x22i x25x xevan lyra2rev2 lyra2rev3 lyra2v2 lyra2v3 lyra2z lyra2vc0ban neoscrypt
    neoscrypt-xaya phi phi2 phi5 phi1612 skein skein2 skunk skunkhash tribus hmq1725 hex honeycomb jeonghash
    padihash pawelhash sonoa polytimos bcd bitcore timetravel c11 sha256d sha256csm sha256q sha256t
    sha512256d dynex dynexsolve xelishash xelishashv2 spectrex verushash verus yescrypt yescryptr8
    yescryptr16 yescryptr32 yespower yespowerr16 yespowersugar yespowertide power2b minotaurx minotaur
    rinhash randomepic scrypt:1024 scrypt-n argon2d500 argon2d4096 argon2id_chukwa argon2id_ninja heavyhash
    pufferfish2bmb curvehash sccpow fishhash hoohash qhash zhash zil xmr monero wownero pearlhash cortex
    mike darkcoin eaglesong handshake radiant sha3x cpupower lbry keccak keccak-c groestl myr-gr blake2s
    blakecoin wildkeccak cnr heavyhash_obtc anime allium gltastralhash decred pascal ubiq bitcoin-gold
    """
)
POOLS = (
    "2miners.com", "nanopool.org", "herominers.com", "hashvault.pro", "supportxmr.com",
    "moneroocean.stream", "minexmr.com", "nicehash.com", "unmineable.com", "f2pool.com", "ethermine.org",
    "flexpool.io", "hiveon.net", "hiveon.com", "ezil.me", "woolypooly.com", "k1pool.com", "kryptex.network",
    "zpool.ca", "minergate.com", "c3pool.com", "c3pool.org", "dwarfpool.com", "xmrpool.eu", "xmrpool.net",
    "viabtc.com", "viabtc.io", "antpool.com", "poolin.com", "poolin.me", "luxor.tech", "rplant.xyz",
    "miningpoolhub.com", "prohashing.com", "mining-dutch.nl", "suprnova.cc", "zergpool.com",
    "crypto-pool.fr", "monerohash.com", "xmr.pt", "minemonero.pro", "moneropool.com", "skypool.org",
    "slushpool.com", "braiins.com", "ckpool.org", "acc-pool.pw", "humpool.com", "cedric-crispin.com",
    "cruxpool.com", "ethpool.org", "coinotron.com", "sparkpool.com", "beepool.org", "leafpool.com",
    "solopool.org", "fairpool.xyz", "miningocean.org", "poolbinance.com", "minexmr.cn", "icemining.ca",
    "whalesburg.com", "coinhive.com", "coin-hive.com", "jsecoin.com", "crypto-loot.com", "webminepool.com",
    "kaspa-pool.org", "acc-pool", "vipor.net", "dxpool.com", "luckpool.net", "zeropool.io",
    "bohemianpool.com", "p2pool.io", "xmrvsbeast.com", "gntl.co.uk", "sigmapool.com", "bsod.pw",
    "hashrate.to", "baikalmine.com", "mintpond.com", "bitfly.at", "comining.io", "hashcity.org",
    "aleopool.top",
)  # fmt: skip
# Every pool above contains one of these (a test says so): cheap to look for in every process.
POOL_ROOTS = (
    "pool", "mine", "xmr", "hash", "monero", "hive", "ezil", "kryptex", "btc", "luxor", "rplant", "mining",
    "suprnova", "braiins", "crispin", "coin", "whales", "crypto-", "vipor", "gntl", "bsod", "bitfly",
    "stratum", "mintpond",
)  # fmt: skip
STRATUM = (
    "stratum+tcp://", "stratum+tls://", "stratum+ssl://", "stratum+udp://", "stratum+tcps://",
    "stratum1+tcp://", "stratum1+ssl://", "stratum1+tls://", "stratum2+tcp://", "stratum2+ssl://",
    "stratum2+tls://", "stratums://", "stratum://", "stratum+http://", "stratum3+tcp://", "stratumss://",
    "ethproxy+tcp://", "ethproxy+ssl://", "ethproxy://", "nicehash+tcp://", "nicehash+ssl://",
    "ethstratum+tcp://", "ethstratum+ssl://", "daggerhashimoto.", "ethstratum://", "ethnh+tcp://",
    "ethnh+ssl://", "zil+tcp://", "zil+ssl://", "pplns+tcp://", "kas+tcp://", "randomxmonero.",
    "eth2+tcp://", "ethash+tcp://", "ton+tcp://",
)  # fmt: skip
WIRE = (
    "mining.subscribe", "mining.authorize", "mining.submit", "mining.extranonce", "mining.configure",
    "eth_submitlogin", "eth_submitwork", "eth_getwork", "xmrig/", '"method":"login"', '"method": "login"',
    "mining.set_difficulty", "mining.notify", '"algo":["rx/0"',
)  # fmt: skip
