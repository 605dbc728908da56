#!/bin/sh
# Prepare this machine as a Greengrass core device of this project, or check it.
#
#   sudo sh prepare-device.sh            install and configure what is missing; may be repeated
#   sudo sh prepare-device.sh --check    change nothing; print one line per check
#
# The files of `deeplens fleet provision` are expected in the folder of this script: private.pem.key, device.pem.crt,
# AmazonRootCA1.pem and config.yaml.
#
#   --nucleus FILE    zip of the classic core software; default: AWS' download of the pinned version
#   --package FILE    Debian package of nucleus lite
#   --no-start        do not start the core software
#
# Exit codes: 0 done, 1 failed, 2 wrong usage, 4 --check: something blocks.
#
# Sources: AWS IoT Greengrass V2 Developer Guide, "Install with manual resource provisioning",
# "Allow device traffic through a proxy or firewall"; aws-greengrass-lite, docs/SETUP.md and
# docs/INSTALL.md.

set -eu

# Written by `deeplens fleet prepare-device`.
@SETTINGS@

DOWNLOAD="https://d2s8p88vqu9w66.cloudfront.net/releases/greengrass-$NUCLEUS_VERSION.zip"
# systemd's default for services.
SERVICE_PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
LEAST_JAVA=11
LEAST_DISK_MIB=2048
# AWS rejects signatures whose time differs by more.
MOST_CLOCK_SECONDS=300
CONNECT_SECONDS=10

if [ "$CORE_RUNTIME" = classic ]; then
    COMPONENT_USER=ggc_user COMPONENT_GROUP=ggc_group
    OWNER=root OWNER_GROUP=root
    CONFIGURATION="$CORE_ROOT/config.yaml"
    SERVICE=greengrass.service
else
    COMPONENT_USER=gg_component COMPONENT_GROUP=gg_component
    OWNER=ggcore OWNER_GROUP=ggcore
    CONFIGURATION=/etc/greengrass/config.yaml
    SERVICE=greengrass-lite.target
fi

here=$(CDPATH='' cd -- "$(dirname -- "$0")" && pwd)
nucleus=
package=
mode=prepare
start=yes
changed=no
blocked=no

usage() {
    printf 'usage: sudo sh prepare-device.sh [--check] [--nucleus FILE] [--package FILE] [--no-start]\n' >&2
    exit 2
}

fail() {
    printf 'prepare-device: %s\n' "$*" >&2
    exit 1
}

did() {
    changed=yes
    printf 'changed: %s\n' "$*"
}

# --- Preparation ---------------------------------------------------------------------------------

install_tools() {
    tools="curl:curl openssl:openssl"
    [ "$CORE_RUNTIME" = lite ] || tools="$tools java:default-jre-headless sudo:sudo unzip:unzip"
    packages=
    for tool in $tools; do
        command -v "${tool%%:*}" > /dev/null 2>&1 || packages="$packages ${tool##*:}"
    done
    [ -n "$packages" ] || return 0
    command -v apt-get > /dev/null 2>&1 ||
        fail "install$packages with the package manager of this system, and run this script again"
    # shellcheck disable=SC2086 # one word per package
    install_packages $packages
    did "installed$packages"
}

install_packages() {
    apt_get="apt-get -q -y --no-install-recommends"
    DEBIAN_FRONTEND=noninteractive $apt_get install "$@" > /dev/null 2>&1 && return 0
    # The lists may be absent or out of date.
    apt-get -q update > /dev/null || fail "apt-get update failed"
    DEBIAN_FRONTEND=noninteractive $apt_get install "$@" > /dev/null ||
        fail "apt-get cannot install $*"
}

ensure_group() {
    getent group "$1" > /dev/null && return 0
    groupadd --system "$1"
    did "group $1"
}

ensure_user() {
    ensure_group "$2"
    getent passwd "$1" > /dev/null && return 0
    useradd --system --create-home --gid "$2" --shell /usr/sbin/nologin "$1"
    did "user $1"
}

join() {
    ensure_group "$2"
    id -nG "$1" | tr ' ' '\n' | grep -qx "$2" && return 0
    usermod --append --groups "$2" "$1"
    did "$1 is a member of $2"
}

# The classic core software runs each component by sudo, as any user and group.
ensure_sudo() {
    sudo -n -u "$COMPONENT_USER" -g "$COMPONENT_GROUP" true 2> /dev/null && return 0
    rule=/etc/sudoers.d/greengrass
    printf 'root ALL=(ALL:ALL) ALL\n' > "$rule.new"
    chmod 0440 "$rule.new"
    visudo -cqf "$rule.new" || fail "visudo rejects $rule.new"
    mv "$rule.new" "$rule"
    sudo -n -u "$COMPONENT_USER" -g "$COMPONENT_GROUP" true ||
        fail "root may not run commands as $COMPONENT_USER:$COMPONENT_GROUP: see /etc/sudoers"
    did "$rule"
}

ensure_folder() { # PATH MODE OWNER GROUP
    [ -d "$1" ] && [ "$(stat -c '%a %U:%G' "$1")" = "$2 $3:$4" ] && return 0
    mkdir -p "$1"
    chmod "$2" "$1"
    chown "$3:$4" "$1"
    did "$1: owner $3:$4, mode $2"
}

place() { # NAME TARGET MODE OWNER GROUP
    source=$here/$1
    if [ ! -f "$source" ]; then
        # The copy in this script's folder may be removed after the first run.
        [ -f "$2" ] || fail "$source is absent: \`deeplens fleet provision $ENVIRONMENT $THING\` writes it; copy it here"
        source=$2
    fi
    if [ -f "$2" ] && cmp -s "$source" "$2" && [ "$(stat -c '%a %U:%G' "$2")" = "$3 $4:$5" ]; then
        return 0
    fi
    # Nobody else can read the file, not even while it is written.
    install -m "$3" -o "$4" -g "$5" "$source" "$2.new"
    mv -f "$2.new" "$2"
    did "$2: owner $4:$5, mode $3"
}

place_files() {
    if [ "$CORE_RUNTIME" = classic ]; then
        ensure_folder "$(dirname "$CORE_ROOT")" 755 root root
    else
        ensure_folder /etc/greengrass 755 root root
    fi
    ensure_folder "$CORE_ROOT" 755 "$OWNER" "$OWNER_GROUP"
    place private.pem.key "$CORE_ROOT/private.pem.key" 400 "$OWNER" "$OWNER_GROUP"
    place device.pem.crt "$CORE_ROOT/device.pem.crt" 444 "$OWNER" "$OWNER_GROUP"
    place AmazonRootCA1.pem "$CORE_ROOT/AmazonRootCA1.pem" 444 "$OWNER" "$OWNER_GROUP"
    place config.yaml "$CONFIGURATION" 644 root root
}

require_systemd() {
    [ -d /run/systemd/system ] || fail "systemd is not running: the core software is a service of it"
}

java_major() {
    java -version 2>&1 | sed -n '1s/.*version "\([0-9]*\).*/\1/p'
}

# Prints the version of a nucleus; nothing if the jar is not one.
version_of() {
    java -jar "$1" --version 2> /dev/null | sed -n 's/.*v\([0-9][0-9.]*\).*/\1/p'
}

installed_nucleus() {
    jar="$CORE_ROOT/alts/current/distro/lib/Greengrass.jar"
    [ ! -f "$jar" ] || version_of "$jar"
}

install_classic() {
    major=$(java_major)
    [ "${major:-0}" -ge "$LEAST_JAVA" ] ||
        fail "Java ${major:-of an unknown version} is too old: expected $LEAST_JAVA or later"
    there=$(installed_nucleus)
    if [ -n "$there" ]; then
        [ "$there" = "$NUCLEUS_VERSION" ] || printf '%s\n' \
            "core software $there is installed; the release pins $NUCLEUS_VERSION: its first deployment replaces it, and restarts"
        return 0
    fi
    require_systemd
    work=$(mktemp -d)
    trap 'rm -rf "$work"' EXIT
    if [ -z "$nucleus" ]; then
        nucleus=$work/nucleus.zip
        curl --fail --silent --show-error --location --output "$nucleus" "$DOWNLOAD" ||
            fail "$DOWNLOAD cannot be downloaded; copy the file here, and give it with --nucleus"
    fi
    unzip -q "$nucleus" -d "$work/core" || fail "$nucleus is not a zip of the core software"
    found=$(version_of "$work/core/lib/Greengrass.jar")
    [ "$found" = "$NUCLEUS_VERSION" ] ||
        fail "$nucleus contains core software '$found': expected $NUCLEUS_VERSION, which the release pins"
    starts=true
    [ "$start" = yes ] || starts=false
    java -Droot="$CORE_ROOT" -Dlog.store=FILE -jar "$work/core/lib/Greengrass.jar" \
        --init-config "$CONFIGURATION" \
        --component-default-user "$COMPONENT_USER:$COMPONENT_GROUP" \
        --setup-system-service true --start "$starts" ||
        fail "the installer of the core software failed: see $CORE_ROOT/logs"
    did "core software $NUCLEUS_VERSION in $CORE_ROOT"
    # The installer has started it.
    start=no
}

lite_is_installed() {
    systemctl cat "$SERVICE" > /dev/null 2>&1
}

# The version of the Debian package that has the service; empty if no package has it.
installed_lite() {
    owner=$(dpkg-query -S "*/$SERVICE" 2> /dev/null | sed -n '1s/:.*//p') || owner=
    [ -z "$owner" ] || dpkg-query -W -f '${Version}' "$owner" 2> /dev/null || true
}

lite_is_recent() {
    there=$(installed_lite)
    # Nucleus lite that was not installed from a package has no version here.
    [ -z "$there" ] || at_least "$there" "$OLDEST_LITE"
}

install_lite() {
    lite_is_installed && lite_is_recent && return 0
    require_systemd
    if [ -z "$package" ]; then
        lite_is_installed && state="is $(installed_lite): expected $OLDEST_LITE or later" || state="is not installed"
        fail "nucleus lite $state: give its Debian package (github.com/aws-greengrass/aws-greengrass-lite, releases) with --package"
    fi
    [ -f "$package" ] || fail "$package is not a file"
    given=$(dpkg-deb -f "$package" Version 2> /dev/null) || fail "$package is not a Debian package"
    at_least "$given" "$OLDEST_LITE" ||
        fail "$package contains nucleus lite $given: expected $OLDEST_LITE or later"
    install_packages "$(CDPATH='' cd -- "$(dirname -- "$package")" && pwd)/$(basename -- "$package")"
    lite_is_installed || fail "$package does not contain $SERVICE"
    did "nucleus lite $given"
}

# Files in config.d override config.yaml. The package's own makes components run as the user that
# can read the device's key.
bound_components() {
    for file in /etc/greengrass/config.d/*.yaml; do
        [ -f "$file" ] || continue
        grep -q 'posixUser:' "$file" || continue
        grep -q "posixUser: *\"$COMPONENT_USER:$COMPONENT_GROUP\"" "$file" && continue
        sed -i "s/posixUser:.*/posixUser: \"$COMPONENT_USER:$COMPONENT_GROUP\"/" "$file"
        did "$file: components run as $COMPONENT_USER"
    done
}

start_service() {
    [ "$start" = yes ] || return 0
    if ! systemctl is-active --quiet "$SERVICE"; then
        systemctl enable --quiet --now "$SERVICE"
        did "started $SERVICE"
    elif [ "$changed" = yes ]; then
        # Groups and files count for processes that start from now on.
        systemctl restart "$SERVICE"
        printf 'restarted %s\n' "$SERVICE"
    fi
}

prepare() {
    install_tools
    if [ "$CORE_RUNTIME" = lite ]; then
        install_lite
        ensure_user "$OWNER" "$OWNER_GROUP"
    fi
    ensure_user "$COMPONENT_USER" "$COMPONENT_GROUP"
    # Cameras, and the GPU.
    join "$COMPONENT_USER" video
    join "$COMPONENT_USER" render
    place_files
    if [ "$CORE_RUNTIME" = classic ]; then
        ensure_sudo
        install_classic
    else
        bound_components
    fi
    start_service
    [ "$changed" = yes ] || printf 'nothing to change\n'
    if [ -f "$here/private.pem.key" ] && [ "$here" != "$CORE_ROOT" ]; then
        printf 'next: remove %s/private.pem.key, then check this device: sudo sh %s --check\n' "$here" "$0"
    fi
}

# --- Checks --------------------------------------------------------------------------------------

line() { # RESULT CHECK DETAIL
    [ "$1" != blocked ] || blocked=yes
    printf '%-8s %-17s %s\n' "$1" "$2" "$3"
}

as_component() {
    runuser -u "$COMPONENT_USER" -- env -i PATH="$SERVICE_PATH" "$@"
}

value_of() { # KEY
    sed -n "s/^ *$1: *\"\(.*\)\"\$/\1/p" "$CONFIGURATION" 2> /dev/null | head -n 1
}

check_files() {
    for expected in "private.pem.key 400 $OWNER:$OWNER_GROUP" \
        "device.pem.crt 444 $OWNER:$OWNER_GROUP" "AmazonRootCA1.pem 444 $OWNER:$OWNER_GROUP"; do
        name=${expected%% *}
        if [ ! -f "$CORE_ROOT/$name" ]; then
            line blocked "$name" "is not in $CORE_ROOT: run this script without --check"
        elif [ "$(stat -c '%a %U:%G' "$CORE_ROOT/$name")" != "${expected#* }" ]; then
            line blocked "$name" "has mode and owner $(stat -c '%a %U:%G' "$CORE_ROOT/$name"): expected ${expected#* }"
        else
            line ok "$name" "${expected#* }"
        fi
    done
    if [ "$(value_of thingName)" = "$THING" ]; then
        line ok config.yaml "is of $THING"
    else
        line blocked config.yaml "$CONFIGURATION is not of $THING"
    fi
    own=$(openssl x509 -in "$CORE_ROOT/device.pem.crt" -noout -pubkey 2> /dev/null) || own=none
    if [ "$own" = "$(openssl pkey -in "$CORE_ROOT/private.pem.key" -pubout 2> /dev/null)" ]; then
        line ok certificate "matches the private key"
    else
        line blocked certificate "does not match the private key: copy both files again"
    fi
}

check_users() {
    if ! id "$COMPONENT_USER" > /dev/null 2>&1; then
        line blocked user "$COMPONENT_USER does not exist: run this script without --check"
        return 0
    fi
    line ok user "$COMPONENT_USER"
    for group in video render; do
        if id -nG "$COMPONENT_USER" | tr ' ' '\n' | grep -qx "$group"; then
            line ok "group $group" "$COMPONENT_USER is a member"
        else
            line warning "group $group" "$COMPONENT_USER is not a member: no access to cameras or the GPU"
        fi
    done
    case $CAMERA in
    v4l2:*)
        device=${CAMERA#v4l2:}
        if [ ! -e "$device" ]; then
            line blocked camera "$device does not exist: connect the camera, or change inference.camera"
        elif as_component test -r "$device" && as_component test -w "$device"; then
            line ok camera "$COMPONENT_USER can open $device"
        else
            line blocked camera "$COMPONENT_USER cannot open $device ($(stat -c '%A %U:%G' "$device"))"
        fi
        ;;
    folder:*) line warning camera "$CAMERA is a folder of images, not a camera: see inference.camera" ;;
    *) line ok camera "$CAMERA is not opened here" ;;
    esac
}

missing_modules() {
    # shellcheck disable=SC2086 # one word per module
    as_component "$PYTHON" -c '
import importlib.util, sys

def is_there(name):
    try:
        return importlib.util.find_spec(name) is not None
    except ImportError:
        return False

print(*(name for name in sys.argv[1:] if not is_there(name)))' $PYTHON_MODULES
}

check_python() {
    if ! id "$COMPONENT_USER" > /dev/null 2>&1; then
        line blocked python "cannot be checked without $COMPONENT_USER"
    elif ! as_component "$PYTHON" -c '' 2> /dev/null; then
        line blocked python "$PYTHON is not on the service's PATH ($SERVICE_PATH) for $COMPONENT_USER: install it"
    elif missing=$(missing_modules) && [ -z "$missing" ]; then
        line ok python "$(as_component "$PYTHON" --version), with $PYTHON_MODULES"
    else
        line blocked python "$PYTHON lacks $missing: $PYTHON_REPAIR"
    fi
}

at_least() { # VERSION LEAST
    [ "$(printf '%s\n%s\n' "$2" "$1" | sort -V | head -n 1)" = "$2" ]
}

check_system() {
    machine=$(uname -m)
    case $machine in
    x86_64) architecture=amd64 least_glibc=2.28 ;;
    aarch64) architecture=aarch64 least_glibc=2.35 ;;
    *) architecture='' least_glibc='' ;;
    esac
    case " $ARCHITECTURES " in
    *" ${architecture:-none} "*) line ok architecture "$machine" ;;
    *) line blocked architecture "$machine: expected one of $ARCHITECTURES" ;;
    esac
    glibc=$(getconf GNU_LIBC_VERSION 2> /dev/null | sed 's/^glibc //') || glibc=
    if [ -z "$glibc" ] || [ -z "$least_glibc" ]; then
        line blocked glibc "is not the C library: expected glibc"
    elif at_least "$glibc" "$least_glibc"; then
        line ok glibc "$glibc, at least $least_glibc"
    else
        line blocked glibc "$glibc: expected $least_glibc or later, of a newer operating system"
    fi
    if [ "$CGROUPS" = v1 ] && [ -f /sys/fs/cgroup/cgroup.controllers ]; then
        line blocked cgroups "are v2: fleet.cgroups is v1; boot with systemd.unified_cgroup_hierarchy=0"
    else
        line ok cgroups "fit fleet.cgroups = $CGROUPS"
    fi
    folder=$CORE_ROOT
    while [ ! -d "$folder" ]; do folder=$(dirname "$folder"); done
    free=$(df -Pm "$folder" | awk 'NR == 2 { print $4 }')
    if [ "$free" -ge "$LEAST_DISK_MIB" ]; then
        line ok disk "$free MiB free in $folder"
    else
        line warning disk "$free MiB free in $folder: $LEAST_DISK_MIB MiB are recommended"
    fi
}

check_core() {
    if [ "$CORE_RUNTIME" = classic ]; then
        major=$(java_major 2> /dev/null) || major=
        if [ "${major:-0}" -ge "$LEAST_JAVA" ]; then
            line ok java "$major"
        else
            line blocked java "${major:-absent}: expected $LEAST_JAVA or later"
        fi
        if grep -Eq '^[^ ]+ /tmp [^ ]+ [^ ]*noexec' /proc/mounts 2> /dev/null; then
            line blocked /tmp "is mounted with noexec: the core software runs files there"
        fi
        there=$(installed_nucleus 2> /dev/null) || there=
        if [ "$there" = "$NUCLEUS_VERSION" ]; then
            line ok core "nucleus $there"
        elif [ -n "$there" ]; then
            line warning core "nucleus $there: the release pins $NUCLEUS_VERSION, and replaces it"
        else
            line blocked core "is not installed: run this script without --check"
        fi
    elif lite_is_installed && ! lite_is_recent; then
        line blocked core "nucleus lite $(installed_lite): expected $OLDEST_LITE or later, with --package"
    elif lite_is_installed; then
        there=$(installed_lite)
        if [ -n "$there" ]; then
            line ok core "nucleus lite $there"
        else
            line warning core "nucleus lite, not from a package: its version is not checked, $OLDEST_LITE or later is expected"
        fi
    else
        line blocked core "is not installed: run this script without --check, with --package"
    fi
    if systemctl is-active --quiet "$SERVICE" 2> /dev/null; then
        line ok service "$SERVICE runs"
    else
        line blocked service "$SERVICE does not run: systemctl start $SERVICE"
    fi
}

# curl's exit codes 6, 7 and 28: no name, no connection, no response in time. With any other one, the
# other side has responded, which is all that this check needs.
check_port() { # HOST[:PORT] DEFAULT_PORT
    if [ -z "$1" ]; then
        line blocked "port $2" "$CONFIGURATION names no endpoint"
        return 0
    fi
    host=${1%%:*} port=${1##*:}
    [ "$port" != "$1" ] || port=$2
    code=0
    curl --silent --output /dev/null --connect-timeout "$CONNECT_SECONDS" \
        --max-time "$CONNECT_SECONDS" "https://$host:$port/" || code=$?
    case $code in
    6) line blocked "port $port" "$host has no address: check DNS" ;;
    7 | 28) line blocked "port $port" "$host does not respond: open outgoing TCP port $port" ;;
    *) line ok "port $port" "$host responds" ;;
    esac
}

check_network() {
    region=$(value_of awsRegion)
    credentials=$(value_of iotCredEndpoint)
    data=$(value_of iotDataEndpoint)
    check_port "$data" 8883
    # Nucleus lite sends requests of the data plane to the endpoint of MQTT.
    [ "$CORE_RUNTIME" = lite ] || data=${region:+greengrass-ats.iot.$region.amazonaws.com}
    check_port "$data" 8443
    check_port "$credentials" 443
    [ -n "$credentials" ] || return 0
    headers=$(mktemp)
    status=$(curl --silent --output /dev/null --dump-header "$headers" --write-out '%{http_code}' \
        --max-time "$CONNECT_SECONDS" --cacert "$CORE_ROOT/AmazonRootCA1.pem" \
        --cert "$CORE_ROOT/device.pem.crt" --key "$CORE_ROOT/private.pem.key" \
        --header "x-amzn-iot-thingname: $THING" \
        "https://$credentials/role-aliases/$(value_of iotRoleAlias)/credentials") || status=000
    if [ "$status" = 200 ]; then
        line ok credentials "the certificate is exchanged for credentials of AWS"
    else
        line blocked credentials "HTTP status $status: \`deeplens fleet doctor $ENVIRONMENT --device $THING\` shows why"
    fi
    there=$(sed -n 's/^[Dd]ate: *//p' "$headers" | tr -d '\r' | head -n 1)
    rm -f "$headers"
    [ -n "$there" ] || return 0
    seconds=$(($(date +%s) - $(date -d "$there" +%s)))
    if [ "${seconds#-}" -le "$MOST_CLOCK_SECONDS" ]; then
        line ok clock "differs by ${seconds#-} s from AWS"
    else
        line blocked clock "differs by ${seconds#-} s from AWS: set up NTP"
    fi
}

check() {
    check_system
    check_users
    check_files
    check_python
    check_core
    check_network
    [ "$blocked" = no ] || exit 4
}

# -------------------------------------------------------------------------------------------------

while [ $# -gt 0 ]; do
    case $1 in
    --check) mode=check ;;
    --no-start) start=no ;;
    --nucleus)
        [ $# -ge 2 ] || usage
        nucleus=$2
        shift
        ;;
    --package)
        [ $# -ge 2 ] || usage
        package=$2
        shift
        ;;
    *) usage ;;
    esac
    shift
done
[ "$(id -u)" = 0 ] || fail "run this script as root: sudo sh $0"
if [ "$mode" = check ]; then check; else prepare; fi
