# shellcheck shell=bash
#
# Debian's archive without root, for the scripts beside this one, which source it. They set $cache and have
# a function die.

# The host's own apt knows the mirrors, and only it: none is named here.
mirror() {
	local uri
	# shellcheck disable=SC2016 # the dollars are apt's
	uri=$(apt-get indextargets --format '$(LABEL)|$(REPO_URI)' 'Created-By: Packages' | sed -n "s/^$1|//p" | head -n 1)
	[[ -n $uri ]] || die "apt does not tell where its \"$1\" archive is: none in its sources, or apt-get update was never run"
	echo "$uri"
}

# private_apt NAME STATUS LABEL/SUITE...
# Sets apt_options: an apt apart from the host's, whose package lists, sources and notion of what is installed (the
# file STATUS; "" for nothing) are its own; how to reach the archive (proxies, keys) is the host's. With the suites
# of the mirrors with those labels.
private_apt() {
	local dir=${cache:?}/apt/$1 status=$2 source uri
	shift 2
	mkdir -p "$dir"/{lists/partial,archives/partial,etc}
	if [[ -z $status ]]; then
		status=$dir/status
		: >"$status"
	fi
	for source in "$@"; do
		uri=$(mirror "${source%%/*}")
		echo "deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] $uri ${source#*/} main"
	done >"$dir/etc/sources.list"
	# shellcheck disable=SC2034 # for those who source it
	apt_options=(
		-q -o Dir::State="$dir" -o Dir::State::status="$status" -o Dir::State::lists="$dir/lists"
		-o Dir::Cache="$dir" -o Dir::Cache::archives="$dir/archives"
		-o Dir::Etc::sourcelist="$dir/etc/sources.list" -o Dir::Etc::sourceparts=/dev/null
		-o Dir::Etc::preferencesparts=/dev/null -o Dir::Etc::preferences=/dev/null
		-o Acquire::Languages=none -o Acquire::GzipIndexes=true -o Acquire::Retries=3
		# Not root's apt: no switch to the _apt user, who cannot read a home directory.
		-o APT::Sandbox::User="$(id -un)"
		-o APT::Architecture=amd64 -o APT::Architectures=amd64
	)
}

# apt_plan [APT-OPTION...] PACKAGE...
# What is to be fetched so that the packages are there, them included: a line PACKAGE=VERSION for each.
apt_plan() {
	apt-get "${apt_options[@]}" -o Debug::NoLocking=true -o APT::Install-Recommends=false install --simulate "$@" |
		sed -n 's/^Inst \([^ ]*\) .*(\([^ ]*\) .*/\1=\2/p' | sort
}

# apt_unpack ROOT DEBS PACKAGE=VERSION...
# Fetches them into the directory DEBS, and unpacks them in ROOT. No script of a package is run.
apt_unpack() {
	local root=$1 debs=$2 deb
	shift 2
	mkdir -p "$root" "$debs"
	(($#)) || return 0
	(cd "$debs" && apt-get "${apt_options[@]}" -o Debug::NoLocking=true download "$@" >&2)
	for deb in "$debs"/*.deb; do dpkg-deb -x "$deb" "$root"; done
}
