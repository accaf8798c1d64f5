# shellcheck shell=bash
# Where other releases of Debian come from: the host's own package sources. Sourced after lib.sh.

KEYRING=/usr/share/keyrings/debian-archive-keyring.gpg
export KEYRING

# Prints "URI suite" of each Debian entry in the host's apt sources, both formats.
host_sources() {
    { cat /etc/apt/sources.list /etc/apt/sources.list.d/*.list 2>/dev/null || true; } |
        sed -E 's/\[[^]]*\]//' | awk '$1 == "deb" && / main( |$)/ {print $2, $3}'
    { cat /etc/apt/sources.list.d/*.sources 2>/dev/null || true; } | awk '
        function flush(  i, j) {
            for (i = 1; i <= nu; i++) for (j = 1; j <= ns; j++) if (main) print uri[i], suite[j]
            nu = ns = main = 0
        }
        /^[[:space:]]*$/ { flush() }
        /^URIs:/ { nu = split($0, uri); for (i = 1; i < nu; i++) uri[i] = uri[i + 1]; nu-- }
        /^Suites:/ { ns = split($0, suite); for (i = 1; i < ns; i++) suite[i] = suite[i + 1]; ns-- }
        /^Components:.* main/ { main = 1 }
        END { flush() }'
}

# Writes the sources of a release: the host's Debian entries with its own code name replaced.
sources_for() {
    local suite=$1 codename
    codename=$(. /etc/os-release && echo "$VERSION_CODENAME")
    host_sources | sort -u | awk -v from="$codename" -v to="$suite" -v key="$KEYRING" '
        $1 ~ /\/debian(-security)?\/?$/ && $2 ~ "^" from "(-updates|-security)?$" {
            sub(from, to, $2)
            print "deb [signed-by=" key "] " $1 " " $2 " main" }'
}

# What the host's apt needs to reach its source: proxies, and leniency about dates of a snapshot.
apt_settings() {
    apt-config dump | grep -E '^Acquire::(https?::.*[Pp]roxy|Check-(Valid-Until|Date))' || true
}
