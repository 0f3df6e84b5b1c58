#!/bin/sh
# Makes a capture of this folder again. Needs root, Go and perf, and a build of dualtrace (npm run build).
#
#   sh test/captures/record.sh stw-netpoll
#   sh test/captures/record.sh healthy
#
# The workload runs from a neutral path and the capture is named after a host "demo", because both end up in it. A session
# of its own with a better nice value keeps whatever else the machine does out of the picture.
set -eu
cd "$(dirname "$0")/../.."
dualtrace=${DUALTRACE:-"node dist/src/cli/main.js"}
name=$1
case $name in
stw-netpoll) workload=stw-netpoll seconds=5 frequency=499 flags="-megabytes 512" ;;
healthy) workload=rpc seconds=3 frequency=99 flags="-rate 300" ;;
*) echo "there is no capture $name: stw-netpoll or healthy" >&2; exit 2 ;;
esac

bin=/opt/dualtrace-demo
mkdir -p "$bin"
(cd test/workloads && go build -trimpath -o "$bin/$workload" "./$workload")
# shellcheck disable=SC2086
setsid nice -n -19 "$bin/$workload" -duration $((seconds + 3))s -port 6061 $flags >"$bin/out" &
pid=$!
sleep 0.2
# With autogroups a nice value counts inside its session only; this is the one of the session.
[ ! -e /proc/$pid/autogroup ] || echo -19 >/proc/$pid/autogroup
trap 'kill $pid 2>/dev/null || true; wait $pid || true; rm -r "$bin"' EXIT
sleep 1 # its second process is up and the first pages are touched
rm -rf "test/captures/$name"
$dualtrace record --pid $pid --trace-url http://127.0.0.1:6061 --duration ${seconds}s --frequency $frequency \
	--host demo --service "$workload" --out "test/captures/$name"
