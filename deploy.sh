#!/usr/bin/env bash
# Barnacle's host script. `./deploy.sh try` installs what is missing into this folder and opens a chat.
# Needs bash, Node 20 or newer, and npm; installs nothing outside this folder.
set -euo pipefail

readonly exit_usage=2 exit_preflight=3
readonly commands=(try help version)

main() {
  project=$(cd -- "$(dirname -- "$(resolve_link "${BASH_SOURCE[0]}")")" && pwd -P)
  readonly project
  local command=${1:-help}
  [[ $# -eq 0 ]] || shift
  case $command in
    try) try "$@" ;;
    help | --help | -h) help ;;
    version | --version | -V) version ;;
    *) unknown_command "$command" ;;
  esac
}

help() {
  cat <<'TEXT'
Chats with Barnacle from a checkout, without Docker.

  ./deploy.sh try                               a chat in this terminal
  echo "list my files" | ./deploy.sh try        one answer on stdout
  ./deploy.sh try --provider offline            without any LLM

Commands:
  try [OPTIONS]   Install what is missing into this folder, take the first
                  model found (ANTHROPIC_API_KEY, OPENAI_API_KEY,
                  OPENROUTER_API_KEY, an OLLAMA_HOST that answers, else the
                  built-in "offline" model) and chat. "try --help" lists the
                  options.
  help            This text.
  version         The version of this checkout.

Needs bash, Node 20 or newer, and npm. Nothing is installed globally.
State and workspace are in .barnacle/, or where BARNACLE_STATE and
BARNACLE_WORKSPACE (--state DIR, --workspace DIR) say.

Exit codes: 0 done, 1 unexpected error, 2 usage, 3 something is missing on
this machine, 130 interrupted.
TEXT
}

version() {
  sed -n 's/^  "version": "\(.*\)",$/barnacle \1/p' "$project/package.json"
}

unknown_command() {
  local known near=""
  for known in "${commands[@]}"; do
    # Near enough: the same first letter, or one within the other.
    if [[ ${known:0:1} == "${1:0:1}" || $known == *"$1"* || $1 == *"$known"* ]]; then near=$known; fi
  done
  printf 'deploy.sh has no command "%s".%s Run "./deploy.sh help" for the list.\n' \
    "$1" "${near:+ Did you mean \"$near\"?}" >&2
  exit "$exit_usage"
}

try() {
  need_node
  install_when_needed
  local node
  node=$(node_24)
  exec "$node" "$project/dist/barnacle.js" try "$@"
}

need_node() {
  local found
  if ! found=$(node --version 2>/dev/null); then
    stop "Node is not installed. Barnacle needs Node 20 or newer and npm: on Debian, Ubuntu or Fedora install the" \
      "packages nodejs and npm, or take Node from https://nodejs.org."
  fi
  local major=${found#v}
  major=${major%%.*}
  if ((major < 20)); then
    stop "Node $found is too old: Barnacle needs Node 20 or newer."
  fi
  system_node_is_new_enough=$((major >= 24))
}

install_when_needed() {
  if packages_are_fresh && bundle_is_fresh; then return; fi

  local_folder="$project/.barnacle"
  if ! mkdir -p "$local_folder" 2>/dev/null || [[ ! -w $local_folder || ! -w $project ]]; then
    stop "Something has to be installed or built, and $project cannot be written by user $(id -u)." \
      "Run this once as its owner."
  fi
  log="$local_folder/install.log"
  : >"$log"

  # Two at once in one folder would take the packages from under each other.
  if command -v flock >/dev/null; then
    exec 9>"$local_folder/install.lock"
    if ! flock -w 900 9; then stop "Another install in $project has not ended within 15 minutes."; fi
  fi
  packages_are_fresh || install_packages
  bundle_is_fresh || build_bundle
  exec 9>&- || true
}

packages_are_fresh() {
  # A linked folder is shared with another checkout, which installs it.
  [[ ! -L $project/node_modules ]] || return 0
  # npm writes this file last, so an interrupted install does not count.
  [[ -f $project/node_modules/.package-lock.json &&
    ! $project/package-lock.json -nt $project/node_modules/.package-lock.json ]]
}

install_packages() {
  command -v npm >/dev/null || stop "npm is not installed. It comes with Node; on Debian it is the package npm."
  local options=(--ignore-scripts --no-audit --no-fund --no-update-notifier --loglevel=error)
  # A contributor's install keeps its development packages.
  [[ -d $project/node_modules/typescript ]] || options+=(--omit=dev)
  home_is_usable || options+=(--cache "$local_folder/npm-cache")
  run_logged "Installing packages into $project/node_modules" npm ci "${options[@]}"
  rm -rf -- "$local_folder/npm-cache"
}

# npm keeps its cache in the home folder, which a service account may lack.
home_is_usable() {
  [[ -n ${npm_config_cache:-} ]] && return
  [[ -n ${HOME:-} && -d $HOME && -w $HOME ]] || return
  [[ ! -e $HOME/.npm || -w $HOME/.npm ]]
}

bundle_is_fresh() {
  local built="$project/dist/package.json"
  [[ -f $built && -f $project/dist/barnacle.js ]] || return
  local newer
  newer=$(find "$project/src" "$project/scripts" "$project/workspace-template" "$project/package-lock.json" \
    -newer "$built" -print -quit)
  [[ -z $newer ]]
}

build_bundle() {
  local node
  node=$(node_24)
  run_logged "Building $project/dist" "$node" "$project/scripts/build.ts"
}

# The machine's own Node where it is new enough, else the one that npm brought along.
node_24() {
  local pinned="$project/node_modules/.bin/node"
  if ((system_node_is_new_enough)); then
    printf 'node\n'
  elif [[ -x $pinned ]]; then
    printf '%s\n' "$pinned"
  else
    stop "Barnacle runs on Node 24, which npm brings along for Linux on x64 and arm64 only. Here, install Node 24."
  fi
}

# Shows one line and keeps the output for the case of failure.
run_logged() {
  local what=$1 started=$SECONDS
  shift
  printf '%s ... ' "$what" >&2
  if (cd -- "$project" && "$@") >>"$log" 2>&1 </dev/null; then
    printf 'done (%d s)\n' $((SECONDS - started)) >&2
    return
  fi
  printf 'failed\n' >&2
  tail -n 15 -- "$log" >&2
  stop "$what failed. The whole log is in $log."
}

stop() {
  printf '%s\n' "$*" >&2
  exit "$exit_preflight"
}

# The script may be called through a symbolic link; `readlink -f` is not on every macOS.
resolve_link() {
  local path=$1 target
  while [[ -L $path ]]; do
    target=$(readlink -- "$path")
    [[ $target == /* ]] || target=$(dirname -- "$path")/$target
    path=$target
  done
  printf '%s\n' "$path"
}

main "$@"
