# shellcheck shell=bash
# QEMU, guest kernel and initramfs, kept in the cache. Sourced after lib.sh and sources.sh.
#
# $COSIM/qemu       Debian testing's QEMU, unpacked, unless the host's is new enough
# $COSIM/base-KEY   vmlinuz and root.tar of the guest, from unchanged packages and kernel source
# $COSIM/guest      vmlinuz, initrd.gz and their sha256 sums: what is booted
# KEY is the sum of what the base is made from; a change of it makes a new one.

COSIM=$CACHE/cosim
GUEST_SUITE=bookworm
QEMU_SUITE=forky # the first release whose QEMU has vfio-user-pci
QEMU_PACKAGES=qemu-system-x86,busybox-static
BASE_PACKAGES=linux-headers-amd64,linux-source-6.1,make,gcc,libc6-dev,gawk,xz-utils,busybox-static
BASE_PACKAGES+=,libibverbs1,libibverbs-dev,ibverbs-providers,ibverbs-utils,librdmacm1,rdmacm-utils
BASE_PACKAGES+=,perftest,libnl-3-200,libnl-route-3-200,libibumad3,libpci3,libudev1,zlib1g,libcap2
BASE_PACKAGES+=,libmnl0,iproute2
PROGRAMS="ibv_devices ibv_devinfo ibv_rc_pingpong ibv_uc_pingpong ibv_ud_pingpong ibv_srq_pingpong
ibv_xsrq_pingpong ibv_asyncwatch ib_write_lat ib_write_bw ib_read_lat ib_read_bw ib_send_lat
ib_send_bw ib_atomic_lat ib_atomic_bw rping ucmatose udaddy rstream cmtime"
# In the order of loading; vmw_pvrdma looks for a bound vmxnet3 and is loaded by init, last.
MODULES="virtio_ring virtio virtio_pci_legacy_dev virtio_pci_modern_dev virtio_pci virtio_console
configfs ib_core ib_uverbs ib_cm iw_cm rdma_cm rdma_ucm vmxnet3 e1000 udp_tunnel ip6_udp_tunnel
crc32_generic rdma_rxe nvme-core nvme-fabrics nvme-rdma nvmet nvmet-rdma brd"

as_root() { if [ "$(id -u)" = 0 ]; then "$@"; else sudo "$@"; fi; }

# chroot_of SUITE DIR VARIANT PACKAGES: a folder with these packages, from the host's own sources.
chroot_of() {
    local suite=$1 dir=$2 variant=$3 packages=$4 list=$COSIM/$1.list settings=()
    mkdir -p "$COSIM"
    sources_for "$suite" >"$list"
    [ -s "$list" ] || die "$STATUS_HOST" "no Debian package source found below /etc/apt"
    if [ "$suite" = "$QEMU_SUITE" ]; then # a snapshot of testing may be past its date
        settings+=("--aptopt=Acquire::Check-Valid-Until \"false\"")
        sed -i '/-security\|-updates/d' "$list"
    fi
    as_root rm -rf "$dir.tmp"
    as_root mmdebstrap --quiet --variant="$variant" "${settings[@]}" --include="$packages" \
        "$suite" "$dir.tmp" "$list" >"$COSIM/$suite.log" 2>&1 || {
        tail -n 15 "$COSIM/$suite.log"
        die "$STATUS_HOST" "mmdebstrap could not unpack $suite (log: $COSIM/$suite.log);" \
            "without network, HCASIM_QEMU and HCASIM_GUEST name what you have"
    }
    as_root mv "$dir.tmp" "$dir"
}

# Prints a command line that starts a QEMU with vfio-user-pci, one word a line.
qemu_command() {
    local q=$COSIM/qemu lib=usr/lib/x86_64-linux-gnu
    if [ -n "${HCASIM_QEMU:-}" ]; then
        printf '%s\n' "$HCASIM_QEMU"
    elif has_vfio_user qemu-system-x86_64; then
        printf '%s\n' qemu-system-x86_64
    else
        printf '%s\n' "$q/lib64/ld-linux-x86-64.so.2" --library-path \
            "$q/$lib:$q/$lib/pulseaudio" "$q/usr/bin/qemu-system-x86_64" \
            -L "$q/usr/share/qemu" -L "$q/usr/share/seabios" -L "$q/usr/lib/ipxe/qemu"
    fi
}

has_vfio_user() { have "$1" && "$1" -device help 2>/dev/null | grep -q '"vfio-user-pci"'; }

need_qemu() {
    if [ -n "${HCASIM_QEMU:-}" ]; then
        has_vfio_user "$HCASIM_QEMU" ||
            die "$STATUS_USAGE" "HCASIM_QEMU=$HCASIM_QEMU has no vfio-user-pci: QEMU 10.1 or later"
    elif ! has_vfio_user qemu-system-x86_64 &&
        [ ! -e "$COSIM/qemu/usr/bin/qemu-system-x86_64" ]; then
        say "guest: unpacking QEMU of Debian $QEMU_SUITE into the cache (260 MB)"
        chroot_of "$QEMU_SUITE" "$COSIM/qemu" essential "$QEMU_PACKAGES"
    fi
}

# What the base depends on: this file and the test program.
base_key() {
    cat "$ROOT/scripts/cosim.d/images.sh" "$ROOT/scripts/cosim.d/bufsum.c" | sha256sum | cut -c1-16
}

# Builds vmw_pvrdma and bufsum inside of the chroot $1 for the kernel of its headers.
build_in() {
    local root=$1 version
    version=$(find "$root/usr/src" -maxdepth 1 -name 'linux-headers-*-amd64' -printf '%f\n' |
        sort -V | tail -n 1)
    version=${version#linux-headers-}
    as_root cp "$ROOT/scripts/cosim.d/bufsum.c" "$root/tmp/"
    as_root cp /etc/resolv.conf "$root/etc/resolv.conf"
    as_root chroot "$root" /bin/sh -e <<SH
cd /tmp
apt-get update -q
apt-get download linux-image-$version || apt-get download linux-image-$version-unsigned
dpkg -x linux-image-${version}*.deb /tmp/image
tar xf /usr/src/linux-source-6.1.tar.xz linux-source-6.1/drivers/infiniband/hw/vmw_pvrdma
make -C /usr/src/linux-headers-$version \
    M=/tmp/linux-source-6.1/drivers/infiniband/hw/vmw_pvrdma \
    CONFIG_INFINIBAND_VMWARE_PVRDMA=m modules
strip --strip-debug linux-source-6.1/drivers/infiniband/hw/vmw_pvrdma/vmw_pvrdma.ko
gcc -O2 -Wall -Wextra -Werror -o /tmp/bufsum /tmp/bufsum.c -libverbs
dpkg-query -W -f '\${Package} \${Version}\n' >/tmp/packages.txt
echo $version >/tmp/version.txt
SH
}

# Copies the libraries that programs of the chroot $1 need into the tree $2, by their NEEDED names.
copy_libraries() {
    local root=$1 tree=$2 lib=usr/lib/x86_64-linux-gnu file
    as_root chroot "$root" /bin/sh -c 'ldd "$@" 2>/dev/null' sh \
        $(printf '/usr/bin/%s ' $PROGRAMS) /usr/bin/rdma /bin/ip \
        /usr/lib/x86_64-linux-gnu/libibverbs/lib{vmw_pvrdma,rxe}-rdmav34.so /tmp/bufsum |
        awk '$2 == "=>" {print $3}' | sort -u | while read -r file; do
        cp -L "$root$file" "$tree/$lib/"
    done
    # pthread_cancel loads it by name
    cp -L "$root/lib/x86_64-linux-gnu/libgcc_s.so.1" "$tree/$lib/"
    cp -L "$root/lib64/ld-linux-x86-64.so.2" "$tree/lib64/"
}

# The guest's files but init, from the chroot $1 into the tree $2.
fill_tree() {
    local root=$1 tree=$2 name kernel file
    mkdir -p "$tree"/{bin,proc,sys,dev,tmp,root,modules,lib64,etc/libibverbs.d,usr/bin} \
        "$tree/usr/lib/x86_64-linux-gnu/libibverbs"
    ln -s usr/lib "$tree/lib"
    cp "$root/bin/busybox" "$tree/bin/"
    for name in $PROGRAMS rdma; do
        cp "$root/usr/bin/$name" "$tree/usr/bin/"
    done
    cp "$root/bin/ip" "$root/tmp/bufsum" "$tree/usr/bin/"
    cp "$root"/usr/lib/x86_64-linux-gnu/libibverbs/lib{vmw_pvrdma,rxe}-rdmav34.so \
        "$tree/usr/lib/x86_64-linux-gnu/libibverbs/"
    cp "$root"/etc/libibverbs.d/{vmw_pvrdma,rxe}.driver "$tree/etc/libibverbs.d/"
    copy_libraries "$root" "$tree"
    kernel=$root/tmp/image/lib/modules/$(cat "$root/tmp/version.txt")/kernel
    for name in $MODULES; do
        file=$(find "$kernel" -name "$name.ko" -print -quit)
        [ -z "$file" ] || cp "$file" "$tree/modules/"
    done
    cp "$root/tmp/linux-source-6.1/drivers/infiniband/hw/vmw_pvrdma/vmw_pvrdma.ko" "$tree/modules/"
    # shellcheck disable=SC2086
    printf '%s\n' $MODULES >"$tree/modules/order"
    cp "$root/tmp/packages.txt" "$tree/etc/"
}

need_base() {
    local base root=$COSIM/chroot
    base=$COSIM/base-$(base_key)
    [ ! -e "$base/root.tar" ] || return 0
    say "guest: building the guest's kernel modules and file tree (a minute or two)"
    rm -rf "$base.tmp" "$COSIM"/base-*
    as_root rm -rf "$root"
    chroot_of "$GUEST_SUITE" "$root" apt "$BASE_PACKAGES"
    build_in "$root" >"$COSIM/build.log" 2>&1 || {
        tail -n 20 "$COSIM/build.log"
        die "$STATUS_HOST" "the guest's modules could not be built (log: $COSIM/build.log)"
    }
    mkdir -p "$base.tmp/tree"
    fill_tree "$root" "$base.tmp/tree"
    cp "$root/tmp/image/boot/vmlinuz-$(cat "$root/tmp/version.txt")" "$base.tmp/vmlinuz"
    cp "$root/tmp/version.txt" "$root/tmp/packages.txt" "$base.tmp/"
    tar -C "$base.tmp/tree" --sort=name --owner=0 --group=0 --mtime=@0 -cf "$base.tmp/root.tar" .
    rm -rf "$base.tmp/tree"
    as_root rm -rf "$root"
    mv "$base.tmp" "$base"
}

# initrd.gz: the base's tree, init, and the files of HCASIM_GUEST_FILES. The same inputs give the
# same bytes.
need_initramfs() {
    local base key tree=$COSIM/guest.tmp/tree
    base=$COSIM/base-$(base_key)
    key=$({
        base_key
        cat "$ROOT/scripts/cosim.d/init"
        [ -z "${HCASIM_GUEST_FILES:-}" ] ||
            tar -C "$HCASIM_GUEST_FILES" --sort=name --owner=0 --group=0 --mtime=@0 -cf - .
    } | sha256sum | cut -c1-16)
    if [ "$(cat "$COSIM/guest/key" 2>/dev/null)" = "$key" ] &&
        (cd "$COSIM/guest" && sha256sum --quiet -c sums >/dev/null 2>&1); then
        return 0
    fi
    rm -rf "$COSIM/guest.tmp"
    mkdir -p "$tree"
    tar -C "$tree" -xf "$base/root.tar"
    install -m 755 "$ROOT/scripts/cosim.d/init" "$tree/init"
    [ -z "${HCASIM_GUEST_FILES:-}" ] || cp -a "$HCASIM_GUEST_FILES/." "$tree/"
    find "$tree" -exec touch -h -d @0 {} +
    (cd "$tree" && find . -mindepth 1 | LC_ALL=C sort |
        cpio --quiet --reproducible -o -H newc -R 0:0 | gzip -n -1) >"$COSIM/guest.tmp/initrd.gz"
    rm -rf "$tree"
    cp "$base/vmlinuz" "$base/version.txt" "$base/packages.txt" "$COSIM/guest.tmp/"
    (cd "$COSIM/guest.tmp" && sha256sum vmlinuz initrd.gz >sums)
    echo "$key" >"$COSIM/guest.tmp/key"
    rm -rf "$COSIM/guest"
    mv "$COSIM/guest.tmp" "$COSIM/guest"
}

# Everything; nothing is fetched when it is there. HCASIM_GUEST: a folder with vmlinuz and
# initrd.gz.
need_images() {
    need_qemu
    if [ -n "${HCASIM_GUEST:-}" ]; then
        [ -r "$HCASIM_GUEST/vmlinuz" ] && [ -r "$HCASIM_GUEST/initrd.gz" ] ||
            die "$STATUS_USAGE" "HCASIM_GUEST=$HCASIM_GUEST holds no vmlinuz and initrd.gz"
        return 0
    fi
    need_base
    need_initramfs
}
