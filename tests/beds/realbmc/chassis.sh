#!/bin/sh
# The node behind a BMC that is not ours: what ipmi_sim calls chassis_control.
#
#   chassis.sh DIR get power
#   chassis.sh DIR set power 0|1
#   chassis.sh DIR set reset|shutdown 1
#
# DIR/power holds 1 or 0. DIR/off-at, if it is there, is when the node goes off, in
# nanoseconds. A fault is a file of its name in DIR. DIR/log has what was asked.
set -eu

dir=$1 op=$2 what=$3 value=${4:-}

fault() { [ -e "$dir/$1" ]; }

# put replaces a file as a whole: others read it meanwhile.
put() {
	echo "$2" >"$dir/$1.new"
	mv "$dir/$1.new" "$dir/$1"
}

# ripen lets an off that is due be true.
ripen() {
	if [ -e "$dir/off-at" ] && [ "$(date +%s%N)" -ge "$(cat "$dir/off-at")" ]; then
		put power 0
		rm "$dir/off-at"
	fi
}

turn_off() {
	if fault ignore-off; then
		return
	fi
	if ! fault slow-off; then
		put power 0
	elif [ ! -e "$dir/off-at" ]; then
		put off-at "$(($(date +%s%N) + $(cat "$dir/slow-off") * 1000000000))"
	fi
}

turn_on() {
	if fault ignore-on; then
		return
	fi
	rm -f "$dir/off-at"
	put power 1
}

get_power() {
	if fault refuse-get; then
		exit 1
	elif fault says-off; then
		echo power:0
	elif fault says-on; then
		echo power:1
	else
		echo "power:$(cat "$dir/power")"
	fi
}

ripen
echo "$op $what $value" >>"$dir/log"
case "$op $what $value" in
'get power '*) get_power ;;
'get boot '*) echo boot:default ;;
set*) ! fault refuse-set || exit 1 ;;
esac
case "$op $what $value" in
'set power 0') turn_off ;;
'set power 1') turn_on ;;
esac
