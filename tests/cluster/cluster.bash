# Shared by the scripts beside it, which source it: the cache of the test servers, how to enter a running cluster, how to start
# and stop its components.
# shellcheck disable=SC2034 # the scripts that source this file use the variables
cluster=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source=tests/servers/cache.bash
. "$cluster/../servers/cache.bash"

# Every cluster has its own network, so all of them use the same addresses.
node_address=10.250.0.1
pod_addresses=10.244.0.0/24
service_addresses=10.96.0.0/16
first_service_address=10.96.0.1
dns_address=10.96.0.10
api_server=https://$node_address:6443

# attach DIR: sets the variables of the other functions: $directory, $programs and $node, the process that holds the namespaces.
attach() {
  [[ -n ${1-} && -f $1/pid ]] || die "no cluster in ${1:-the directory that was not named}; start one with tests/cluster/up DIR"
  directory=$(realpath "$1")
  programs=$(<"$directory/programs")
  node=$(<"$directory/pid")
  is_running || die "the cluster in $directory is not running; tests/cluster/down $directory removes what is left of it"
  be_administrator
}

be_administrator() {
  # kubectl caches by address, and all clusters have the same one.
  export KUBECONFIG=$directory/kubeconfig KUBECACHEDIR=$directory/kubectl
}

# By its name too, because the process id may have been reused.
is_running() { grep -qsxzF "readscope-node $directory" "/proc/$node/cmdline"; }

# node_enter COMMAND...: as on the node, with its own /var/lib, /run and process numbers.
node_enter() {
  nsenter --target "$node" --net --mount --pid --uts --ipc -- \
    env PATH="$programs:$PATH" "$@"
}

# kubectl ARGUMENT...: with the files of the caller.
kubectl() { nsenter --target "$node" --net -- "$programs/kubectl" "$@"; }

# kubeconfig USER: prints one; USER is written as in YAML between braces.
kubeconfig() {
  local authority
  authority=$(base64 -w0 "$directory/certificates/ca.crt")
  cat <<END
apiVersion: v1
kind: Config
clusters: [{name: cluster, cluster: {server: "$api_server", certificate-authority-data: $authority}}]
users: [{name: user, user: {$1}}]
contexts: [{name: cluster, context: {cluster: cluster, user: user}}]
current-context: cluster
END
}

# cgroups NAME: its path in every hierarchy, of the first version of cgroups or of the second.
cgroups() { awk -v name="$1" '$3 ~ /^cgroup2?$/ { print $2 "/" name }' /proc/self/mounts; }

# await SECONDS WHAT COMMAND...: until the command succeeds; dies when the time is over or the cluster has ended.
await() {
  local seconds=$1 what=$2 until
  until=$((SECONDS + seconds))
  shift 2
  until "$@" >/dev/null 2>&1; do
    is_running || die "the cluster ended before: $what"
    ((SECONDS < until)) || die "waited $seconds s in vain for: $what; the logs are in $directory/log"
    sleep 0.1
  done
}

components=(etcd containerd kube-apiserver kube-controller-manager kube-scheduler kubelet kube-proxy)

check_component() {
  [[ " ${components[*]} " == *" ${1-} "* ]] || die "no component is called ${1:-(nothing)}: ${components[*]}"
}

# component_signal SIGNAL NAME: signals the process group of the component and of the script that restarts it. Its id is one of
# the node's process namespace.
component_signal() {
  local group
  group=$(cat "$directory/component/$2.pid" 2>/dev/null) || return 1
  nsenter --target "$node" --pid -- bash -c "kill -$1 -- -$group" 2>/dev/null
}

component_start() {
  local name=$1
  check_component "$name"
  ! component_signal 0 "$name" || die "$name is running already"
  rm -f "$directory/component/$name.pid"
  # Its own session, so that the end of the caller does not end the component; process 1 of the node inherits it.
  node_enter setsid --fork "$directory/component/$name" </dev/null >>"$directory/log/$name.log" 2>&1 7>&-
  await 10 "$name to start" test -s "$directory/component/$name.pid"
  [[ $name != kube-apiserver ]] || await 60 "the API server" kubectl get --raw /readyz --request-timeout=2s
}

# component_end SIGNAL NAME
component_end() {
  check_component "$2"
  component_signal "$1" "$2" || die "$2 is not running"
  await 90 "the end of $2" component_has_ended "$2"
}

component_has_ended() { ! component_signal 0 "$1"; }
