"""Eighty URLs that lead where no reward may send anything; with what a resolver says of their names."""

# ruff: noqa: RUF001  # characters that look like others are what it is about

from __future__ import annotations

LITERAL = (
    # where clouds keep credentials
    "http://169.254.169.254/latest/meta-data/", "http://169.254.170.2/v2", "https://[fe80::1]/",
    "http://[fd00:ec2::254]/", "http://100.100.100.200/", "http://168.63.129.16/", "http://192.0.0.192/",
    "http://[fd20:ce::254]/",
    # an address that wraps another
    "http://[::ffff:127.0.0.1]/", "http://[::ffff:169.254.169.254]/", "http://[::ffff:7f00:1]/",
    "http://[64:ff9b::a9fe:a9fe]/", "http://[64:ff9b:1::7f00:1]/", "http://[2002:7f00:1::]/",
    "http://[2002:a9fe:a9fe::1]/", "http://[2001:0:7f00:1::]/", "http://[::127.0.0.1]/",
    "http://[::ffff:0:127.0.0.1]/",
    # no single machine
    "http://0.0.0.0/", "http://0.0.0.0:8000/", "http://[::]/", "http://255.255.255.255/", "http://224.0.0.1/",
    "http://[ff02::1]/", "http://240.0.0.1/", "http://0.1.2.3/",
    # numbers that only some parsers read as addresses
    "http://2130706433/", "http://0x7f000001/", "http://017700000001/", "http://127.1/", "http://127.0.1/",
    "http://0x7f.0.0.1/", "http://0177.0.0.1/", "http://127.0.0.01/", "http://127.0.0.1./", "http://1/",
    "http://0/", "http://256.0.0.1/", "http://127.0.0.0x1/", "http://2852039166/", "http://[::1/",
    # two parsers, two hosts
    "http://good.example\\@127.0.0.1/", "http://good.example@127.0.0.1/", "http://127.0.0.1:80@good.example/",
    "http://good.example#@127.0.0.1/", "http://127.0.0.1\\.good.example/", "http:\\\\127.0.0.1/",
    "http:///127.0.0.1/", "http:127.0.0.1/", "//127.0.0.1/", "http://127.0.0.1 .good.example/",
    "http://good.example\t@127.0.0.1/", "http://127.0.0.1\r\nHost: x/", "http://127.0.0.1%00.good.example/",
    "http://%31%32%37.0.0.1/", "http://good.example:80:80/", "http://[fe80::1%25eth0]/", "http://user:pw@10.0.0.1/",
    # characters that normalize into hosts
    "http://①②⑦.⓪.⓪.①/", "http://127。0。0。1/", "http://ｌocalhost/", "http://localhost\u200b/", "http://ⅼocalhost/",
    # other schemes
    "file:///etc/passwd", "ftp://127.0.0.1/", "gopher://127.0.0.1:6379/_INFO", "dict://127.0.0.1/", "HTTP://127.0.0.1/",
    "unix:///var/run/docker.sock", "data:,1", "jar:http://127.0.0.1!/", "http+unix://%2Fvar%2Frun%2Fx/",
    # hosts
    "http://", "http://.localhost/", "http://a.localhost/", "http://-a.example/", "http://a..example/",
    "http://127.0.0.1:0/", "http://127.0.0.1:65536/", "http://127.0.0.1:99999999/", "",
)  # fmt: skip
"""Refused before anything is resolved or connected to."""

NAMED = {
    "http://metadata.google.internal/": ("169.254.169.254",),
    "http://127.0.0.1.nip.example/": ("127.0.0.1",),
    "https://intranet.example/": ("10.0.0.5",),
    "https://router.example/": ("192.168.1.1",),
    "https://six.example/": ("::1",),
    "https://local.example/": ("fe80::1%eth0",),
    "https://unique.example/": ("fc00::1",),
    "https://carrier.example/": ("100.64.0.1",),
    "https://mapped.example/": ("::ffff:10.0.0.1",),
    "https://both.example/": ("93.184.216.34", "127.0.0.1"),
    "https://zero.example/": ("0.0.0.0",),
    "https://translated.example/": ("64:ff9b::7f00:1",),
    "https://many.example/": ("224.0.0.251",),
    "http://ip6-localhost/": ("::1",),
    "https://number.example/": ("2130706433",),
    "https://host.docker.internal/": ("172.17.0.1",),
}
"""Refused when the name is resolved."""
