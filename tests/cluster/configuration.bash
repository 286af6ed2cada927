# The files of a cluster: certificates, configuration, and for each component a script that becomes it. Sourced by `up`.
# shellcheck source=tests/cluster/cluster.bash
. "$(dirname "${BASH_SOURCE[0]}")/cluster.bash"

# certificate NAME SUBJECT EXTENSION...: signed by `ca`; `ca` itself is self-signed.
certificate() {
  local name=$1 subject=$2 extension arguments=()
  shift 2
  for extension; do arguments+=(-addext "$extension"); done
  [[ $name == *ca ]] || arguments+=(-CA ca.crt -CAkey ca.key)
  # The machine's OpenSSL configuration would add extensions.
  openssl req -x509 -config <(printf '[req]\ndistinguished_name=subject\n[subject]\n') -newkey ec \
    -pkeyopt ec_paramgen_curve:P-256 -noenc -days 30 -subj "$subject" -keyout "$name.key" -out "$name.crt" \
    "${arguments[@]}" 2>/dev/null
}

certificates() (
  client=extendedKeyUsage=clientAuth
  authority=('basicConstraints=critical,CA:TRUE' 'keyUsage=critical,keyCertSign,cRLSign')
  cd "$directory/certificates"
  certificate ca /CN=kubernetes-ca "${authority[@]}"
  certificate front-proxy-ca /CN=front-proxy-ca "${authority[@]}"
  certificate kube-apiserver /CN=kube-apiserver extendedKeyUsage=serverAuth \
    "subjectAltName=IP:$node_address,IP:$first_service_address,DNS:kubernetes,DNS:kubernetes.default,DNS:kubernetes.default.svc"
  certificate kubelet-server /O=system:nodes/CN=system:node:node1 extendedKeyUsage=serverAuth \
    "subjectAltName=IP:$node_address,DNS:node1"
  certificate admin /O=system:masters/CN=admin "$client"
  certificate apiserver-to-kubelet /O=system:masters/CN=kube-apiserver "$client"
  certificate kubelet /O=system:nodes/CN=system:node:node1 "$client"
  certificate kube-controller-manager /CN=system:kube-controller-manager "$client"
  certificate kube-scheduler /CN=system:kube-scheduler "$client"
  certificate kube-proxy /CN=system:kube-proxy "$client"
  openssl ecparam -name prime256v1 -genkey -noout -out service-accounts.key
  openssl ec -in service-accounts.key -pubout -out service-accounts.pub 2>/dev/null
  for name in admin kubelet kube-controller-manager kube-scheduler kube-proxy; do
    kubeconfig "client-certificate-data: $(base64 -w0 "$name.crt"), client-key-data: $(base64 -w0 "$name.key")" >"$name.conf"
  done
  cp admin.conf "$directory/kubeconfig"
)

# configuration CGROUP PROXY-MODE
configuration() (
  cgroup=$1 proxy_mode=$2 certificates=$directory/certificates
  cd "$directory/etc"

  # Many containers forbid raising a limit or lowering an OOM score, and nothing here needs it.
  cat >containerd.toml <<END
version = 3
imports = []
root = "/var/lib/containerd"
state = "/run/containerd"
# Features that this kernel may lack, and plugins that would create folders outside of the node's.
disabled_plugins = [
  "io.containerd.snapshotter.v1.blockfile",
  "io.containerd.snapshotter.v1.btrfs",
  "io.containerd.snapshotter.v1.devmapper",
  "io.containerd.snapshotter.v1.erofs",
  "io.containerd.snapshotter.v1.zfs",
  "io.containerd.differ.v1.erofs",
  "io.containerd.internal.v1.opt",
  "io.containerd.nri.v1.nri",
]
[grpc]
address = "/run/containerd/containerd.sock"
[plugins.'io.containerd.cri.v1.images']
snapshotter = "overlayfs"
[plugins.'io.containerd.cri.v1.images'.pinned_images]
sandbox = "localhost/pause:test"
[plugins.'io.containerd.cri.v1.runtime']
restrict_oom_score_adj = true
disable_apparmor = true
[plugins.'io.containerd.cri.v1.runtime'.containerd.runtimes.runc]
runtime_type = "io.containerd.runc.v2"
[plugins.'io.containerd.cri.v1.runtime'.containerd.runtimes.runc.options]
BinaryName = "$programs/runc"
SystemdCgroup = false
[plugins.'io.containerd.cri.v1.runtime'.cni]
bin_dirs = ["$programs/cni"]
conf_dir = "$directory/etc/cni"
END

  # Routed, without a bridge: a response that goes straight from pod to pod would skip the translation back to the Service's
  # address.
  mkdir cni
  cat >cni/pods.conflist <<END
{"cniVersion": "1.0.0", "name": "pods", "plugins": [{"type": "ptp", "mtu": 1500, "ipam": {"type": "host-local",
  "ranges": [[{"subnet": "$pod_addresses"}]], "routes": [{"dst": "0.0.0.0/0"}], "dataDir": "/run/pod-addresses"}}]}
END

  # There is no DNS outside the cluster.
  touch no-resolv.conf
  cat >kubelet.yaml <<END
apiVersion: kubelet.config.k8s.io/v1beta1
kind: KubeletConfiguration
failCgroupV1: false
cgroupDriver: cgroupfs
cgroupRoot: /$cgroup
containerRuntimeEndpoint: unix:///run/containerd/containerd.sock
authentication: {anonymous: {enabled: false}, webhook: {enabled: true}, x509: {clientCAFile: $certificates/ca.crt}}
authorization: {mode: Webhook}
tlsCertFile: $certificates/kubelet-server.crt
tlsPrivateKeyFile: $certificates/kubelet-server.key
address: $node_address
clusterDNS: [$dns_address]
clusterDomain: cluster.local
resolvConf: $directory/etc/no-resolv.conf
volumePluginDir: /var/lib/kubelet/volume-plugins
maxOpenFiles: 20000
oomScoreAdj: 0
failSwapOn: false
# No eviction on a full disk: the images cannot be pulled again.
imageGCHighThresholdPercent: 100
imageGCLowThresholdPercent: 99
evictionHard: {memory.available: 50Mi, nodefs.available: 1%, nodefs.inodesFree: 1%, imagefs.available: 1%}
END

  # The limits of connection tracking are the machine's and cannot be set in a namespace.
  cat >kube-proxy.yaml <<END
apiVersion: kubeproxy.config.k8s.io/v1alpha1
kind: KubeProxyConfiguration
clientConnection: {kubeconfig: $certificates/kube-proxy.conf}
mode: $proxy_mode
hostnameOverride: node1
clusterCIDR: $pod_addresses
oomScoreAdj: 0
conntrack: {maxPerCore: 0, min: 0, tcpEstablishedTimeout: 0s, tcpCloseWaitTimeout: 0s}
END

  # For programs that `enter` runs: the resolv.conf of a pod in the namespace default.
  printf 'nameserver %s\nsearch default.svc.cluster.local svc.cluster.local cluster.local\noptions ndots:5\n' "$dns_address" \
    >resolv.conf
)

# component NAME ARGUMENT...: writes the script that `component_start` starts. It restarts a component that ends by itself, as
# other clusters do: the scheduler, for example, may end after an outage of the API server.
component() {
  cat >"$directory/component/$1" <<END
#!/usr/bin/env bash
cd /
echo \$\$ >"\$0.pid"
while :; do
  $(printf '%q ' "$programs/$1" "${@:2}")
  echo "ended with status \$?; started again in a second"
  sleep 1
done
END
  chmod +x "$directory/component/$1"
}

# No leader election: each component runs once, and a new one would wait for the lease of the old one to expire.
authenticated() {
  printf -- "--%s=$directory/certificates/$1.conf " kubeconfig authentication-kubeconfig authorization-kubeconfig
  echo --leader-elect=false --bind-address=127.0.0.1
}

# shellcheck disable=SC2046 # `authenticated` prints words
components() {
  local certificates=$directory/certificates
  # Data need not survive a power failure.
  component etcd --data-dir=/var/lib/etcd --unsafe-no-fsync --log-level=warn --listen-peer-urls=http://127.0.0.1:2380 \
    --listen-client-urls=http://127.0.0.1:2379 --advertise-client-urls=http://127.0.0.1:2379
  component containerd --config="$directory/etc/containerd.toml"
  component kube-apiserver --etcd-servers=http://127.0.0.1:2379 --secure-port=6443 --advertise-address="$node_address" \
    --service-cluster-ip-range="$service_addresses" --authorization-mode=Node,RBAC --enable-admission-plugins=NodeRestriction \
    --allow-privileged --client-ca-file="$certificates/ca.crt" \
    --tls-cert-file="$certificates/kube-apiserver.crt" --tls-private-key-file="$certificates/kube-apiserver.key" \
    --kubelet-client-certificate="$certificates/apiserver-to-kubelet.crt" \
    --kubelet-client-key="$certificates/apiserver-to-kubelet.key" \
    --kubelet-certificate-authority="$certificates/ca.crt" --kubelet-preferred-address-types=InternalIP \
    --requestheader-client-ca-file="$certificates/front-proxy-ca.crt" --requestheader-allowed-names=front-proxy-client \
    --requestheader-username-headers=X-Remote-User --requestheader-group-headers=X-Remote-Group \
    --requestheader-extra-headers-prefix=X-Remote-Extra- \
    --service-account-issuer=https://kubernetes.default.svc.cluster.local \
    --service-account-key-file="$certificates/service-accounts.pub" \
    --service-account-signing-key-file="$certificates/service-accounts.key"
  # One account for each controller: the PVC binder needs its permissions. More requests a second: otherwise the first
  # ServiceAccount takes seven seconds.
  component kube-controller-manager $(authenticated kube-controller-manager) --use-service-account-credentials \
    --kube-api-qps=300 --kube-api-burst=600 --pvclaimbinder-sync-period=2s --root-ca-file="$certificates/ca.crt" \
    --service-account-private-key-file="$certificates/service-accounts.key" \
    --cluster-signing-cert-file="$certificates/ca.crt" --cluster-signing-key-file="$certificates/ca.key" \
    --service-cluster-ip-range="$service_addresses" --flex-volume-plugin-dir=/var/lib/kubelet/volume-plugins
  component kube-scheduler $(authenticated kube-scheduler)
  component kubelet --config="$directory/etc/kubelet.yaml" --kubeconfig="$certificates/kubelet.conf" --hostname-override=node1 \
    --node-ip="$node_address"
  component kube-proxy --config="$directory/etc/kube-proxy.yaml"
}
