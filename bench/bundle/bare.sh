#!/bin/sh
# Runs the bundle where there is nothing: a chroot with a shell, libc and Mesa's lavapipe in the driver's place, no network, an unprivileged user.
#   sudo sh bench/bundle/bare.sh [--with-libstdc++] [--read-only] [--hidden] [arguments of run.sh]
# --read-only: the user may not write into the bundle; --hidden: the driver's description lies where the loader does not look.
set -eu
archive=$(dirname "$0")/../dist/fewmask-bench-linux-x64.tar.xz
bare=$(mktemp -d /tmp/fewmask-bare.XXXXXX)
chmod 755 "$bare"
trap 'rm -rf "$bare"' EXIT
owner=65534 keep_cpp=no icd=usr/share/vulkan/icd.d/lvp_icd.json
while :; do
  case ${1-} in
    --with-libstdc++) keep_cpp=yes ;;
    --read-only) owner=0 ;;
    --hidden) icd=usr/local/nvidia/share/vulkan/icd.d/nvidia_icd.json ;;
    *) break ;;
  esac
  shift
done
copy() { # a file, and the libraries that it needs
  mkdir -p "$bare$(dirname "$1")"
  cp -L "$1" "$bare$1"
  ldd "$1" 2>/dev/null | awk '$3 ~ /^\// { print $3 } $1 ~ /^\// { print $1 }' | while read -r lib; do
    mkdir -p "$bare$(dirname "$lib")"
    [ -e "$bare$lib" ] || cp -L "$lib" "$bare$lib"
  done
}
copy /bin/sh
copy "$(command -v node)"
rm "$bare$(command -v node)"
driver=$(ldconfig -p | awk '/libvulkan_lvp.so/ { print $NF; exit }')
copy "$driver"
mkdir -p "$bare/$(dirname $icd)" "$bare/dev" "$bare/tmp" "$bare/opt"
printf '{"file_format_version":"1.0.0","ICD":{"library_path":"%s","api_version":"1.4.0"}}' "$driver" >"$bare/$icd"
[ $keep_cpp = yes ] || find "$bare" -name 'libstdc++.so*' -delete
[ -e "$bare/lib64" ] || mkdir "$bare/lib64"
cp -L /lib64/ld-linux-x86-64.so.2 "$bare/lib64/"
mknod -m 666 "$bare/dev/null" c 1 3
mknod -m 666 "$bare/dev/urandom" c 1 9
chmod 1777 "$bare/tmp"
tar -xJf "$archive" -C "$bare/opt"
chown -R $owner:$owner "$bare/opt/fewmask-bench"
env -i PATH="$PATH" unshare -n chroot --userspec=65534:65534 "$bare" /bin/sh /opt/fewmask-bench/run.sh "$@" && code=0 || code=$?
echo "exit code $code"
find "$bare/opt/fewmask-bench/results" "$bare/tmp" -maxdepth 3 2>/dev/null | sed "s|^$bare||" | head -20
for f in "$bare/opt/fewmask-bench/results" "$bare"/tmp/*/results; do [ ! -e "$f/driver.txt" ] || { echo driver.txt; cat "$f/driver.txt"; }; done
exit $code
