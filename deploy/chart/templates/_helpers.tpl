{{- define "readscope.name" -}}
{{ .Values.nameOverride | default .Chart.Name | trunc 63 | trimSuffix "-" }}
{{- end }}

{{- define "readscope.fullname" -}}
{{- $name := include "readscope.name" . -}}
{{- $full := contains $name .Release.Name | ternary .Release.Name (printf "%s-%s" .Release.Name $name) -}}
{{ .Values.fullnameOverride | default $full | trunc 48 | trimSuffix "-" }}
{{- end }}

{{- define "readscope.serviceAccount" -}}
{{ .Values.serviceAccount.name | default (include "readscope.fullname" .) }}
{{- end }}

{{- /* Labels that select pods; they cannot change in an upgrade. */ -}}
{{- define "readscope.selector" -}}
app.kubernetes.io/name: {{ include "readscope.name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{- define "readscope.labels" -}}
{{ include "readscope.selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" }}
{{- with .Values.labels }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{- define "readscope.image" -}}
{{- $reference := .Values.image.digest | empty | ternary (printf ":%s" (.Values.image.tag | default .Chart.AppVersion)) (printf "@%s" .Values.image.digest) -}}
{{ .Values.image.repository }}{{ $reference }}
{{- end }}

{{- define "readscope.topology" -}}
{{- if or .Values.topology .Values.perNode.enabled }}true{{ end }}
{{- end }}

{{- /* What the file lists, or the only Service. */ -}}
{{- define "readscope.targets" -}}
{{ .Values.service | empty | ternary .Values.targets (list (dict "service" .Values.service)) | toJson }}
{{- end }}

{{- /* The namespaces whose objects readscope reads, as JSON; empty with "all" for a discovery in every namespace. */ -}}
{{- define "readscope.namespaces" -}}
{{- $namespaces := list -}}
{{- $all := false -}}
{{- range include "readscope.targets" . | fromJsonArray -}}
{{- with .service }}{{ $namespaces = append $namespaces (splitList "/" . | first) }}{{ end -}}
{{- if hasKey . "discover" -}}
{{- with (.discover | default dict).namespaces }}{{ $namespaces = concat $namespaces . }}{{ else }}{{ $all = true }}{{ end -}}
{{- end -}}
{{- end -}}
{{ dict "all" $all "names" ($all | ternary list ($namespaces | uniq | sortAlpha)) | toJson }}
{{- end }}

{{- /* Refuses values that contradict each other, with what to do. */ -}}
{{- define "readscope.check" -}}
{{- $values := .Values -}}
{{- if and $values.service $values.targets -}}
{{- fail "service and targets are both set; set only one of them: to change from service to targets, add --set service=null" -}}
{{- else if not (or $values.service $values.targets) -}}
{{- fail "no Service to probe is set; set service to NAMESPACE/NAME, for example --set service=mysql/mysql-read, or list several in targets" -}}
{{- else if and $values.service (not (regexMatch "^[a-z0-9]([-a-z0-9]*[a-z0-9])?/[a-z0-9]([-a-z0-9]*[a-z0-9])?$" $values.service)) -}}
{{- fail (printf "service is %q; write NAMESPACE/NAME, for example mysql/mysql-read" $values.service) -}}
{{- end -}}
{{- if $values.service -}}
{{- range tuple "defaults" "imbalance" "freshness" -}}
{{- if index $values . -}}
{{- fail (printf "%s has an effect only with targets; list the Service there: --set service=null --set targets[0].service=%s" . $values.service) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- if and $values.podMonitor.enabled $values.serviceMonitor.enabled -}}
{{- fail "podMonitor and serviceMonitor are both enabled, so Prometheus would scrape each pod twice; enable only one of them" -}}
{{- end -}}
{{- if and $values.perNode.enabled $values.serviceMonitor.enabled -}}
{{- fail "serviceMonitor does not scrape the pods of perNode; enable podMonitor instead" -}}
{{- end -}}
{{- if and $values.ingress.enabled (not $values.ingress.hosts) -}}
{{- fail "ingress is enabled without a host, so it would take every host of the controller; set its names: --set ingress.hosts={readscope.example}" -}}
{{- end -}}
{{- with $values.password.external -}}
{{- if and .enabled (not (and .store.name .key)) -}}
{{- fail "password.external is enabled without a place; set password.external.store.name and password.external.key" -}}
{{- end -}}
{{- end -}}
{{- $name := include "readscope.fullname" . -}}
{{- with lookup "apps/v1" "Deployment" .Release.Namespace $name -}}
{{- if ne (dig "metadata" "labels" "app.kubernetes.io/managed-by" "" .) "Helm" -}}
{{- $own := "-l app.kubernetes.io/name=readscope" -}}
{{- $namespace := .metadata.namespace -}}
{{- fail (printf "the Deployment %s in namespace %s was not installed by Helm; remove what `kubectl apply -k` installed, without its Secrets, then install again: `kubectl -n %s delete deployment,daemonset,service,serviceaccount,networkpolicy,configmap %s`, `kubectl delete role,rolebinding -A %s`, `kubectl delete clusterrole,clusterrolebinding %s`" $name $namespace $namespace $own $own $own) -}}
{{- end -}}
{{- end -}}
{{- end }}

{{- /* Variables and files that say what to probe; for the pods and for `helm test`. */ -}}
{{- define "readscope.env" -}}
{{- if .Values.service }}
- {name: READSCOPE_SERVICE, value: {{ .Values.service | quote }}}
- {name: READSCOPE_PASSWORD_FILE, value: {{ printf "/etc/readscope/%s" .Values.password.key | quote }}}
{{- else }}
- {name: READSCOPE_CONFIG_FILE, value: /etc/readscope-targets/targets.yaml}
{{- end }}
{{- if include "readscope.topology" . }}
- name: NODE_NAME
  valueFrom: {fieldRef: {fieldPath: spec.nodeName}}
{{- end }}
{{- with .Values.extraEnv }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{- define "readscope.volumeMounts" -}}
- {name: password, mountPath: /etc/readscope, readOnly: true}
{{- if .Values.targets }}
- {name: targets, mountPath: /etc/readscope-targets, readOnly: true}
{{- end }}
{{- with .Values.extraVolumeMounts }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{- define "readscope.volumes" -}}
# Optional: without the Secret, readscope starts and names the missing file. It uses a changed password within two minutes.
- name: password
  secret: {secretName: {{ .Values.password.secret | quote }}, optional: true}
{{- if .Values.targets }}
- name: targets
  configMap: {name: {{ include "readscope.fullname" . }}-targets}
{{- end }}
{{- with .Values.extraVolumes }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{- /* The part of a pod that does not depend on its container. */ -}}
{{- define "readscope.pod" -}}
serviceAccountName: {{ include "readscope.serviceAccount" . }}
automountServiceAccountToken: true
enableServiceLinks: false
securityContext: {{ toYaml .Values.podSecurityContext | nindent 2 }}
{{- with .Values.imagePullSecrets }}
imagePullSecrets: {{ toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.priorityClassName }}
priorityClassName: {{ . }}
{{- end }}
{{- end }}

{{- /* The pod of the Deployment or the DaemonSet: a list of the root, the component, the arguments, and node selector,
tolerations and affinity. */ -}}
{{- define "readscope.template" -}}
{{- $root := index . 0 -}}
{{- $component := index . 1 -}}
{{- with $root -}}
metadata:
  labels:
    {{- include "readscope.selector" . | nindent 4 }}
    app.kubernetes.io/component: {{ $component }}
    {{- with .Values.podLabels }}{{ toYaml . | nindent 4 }}{{ end }}
  {{- with .Values.podAnnotations }}
  annotations: {{ toYaml . | nindent 4 }}
  {{- end }}
spec:
  {{- include "readscope.pod" . | nindent 2 }}
  {{- range $key, $value := index $ 3 }}
  {{- if $value }}
  {{ $key }}: {{ toYaml $value | nindent 4 }}
  {{- end }}
  {{- end }}
  containers:
  - name: readscope
    image: {{ include "readscope.image" . | quote }}
    imagePullPolicy: {{ .Values.image.pullPolicy }}
    args: {{ concat (index $ 2) (.Values.web.secret | empty | ternary list (list "--web.config.file=/etc/readscope-web/web.yaml")) (.Values.web.routePrefix | empty | ternary list (list (print "--web.route-prefix=" .Values.web.routePrefix))) .Values.extraArgs | toYaml | nindent 4 }}
    env:
    {{- include "readscope.env" . | trim | nindent 4 }}
    ports: [{name: http, containerPort: 10306}]
    # `kubectl describe pod` shows the last log lines of a container that exited.
    terminationMessagePolicy: FallbackToLogsOnError
    {{- /* The kubelet has no credentials, so with users it checks only that the port is open. */}}
    {{- range $probe, $check := dict "livenessProbe" (list "/-/healthy" 10) "readinessProbe" (list "/-/ready" 5) }}
    {{ $probe }}:
      {{- if $root.Values.web.secret }}
      tcpSocket: {port: http}
      {{- else }}
      httpGet: {path: {{ print $root.Values.web.routePrefix (first $check) }}, port: http}
      {{- end }}
      periodSeconds: {{ last $check }}
      timeoutSeconds: 5
    {{- end }}
    resources: {{ toYaml .Values.resources | nindent 6 }}
    securityContext: {{ toYaml .Values.securityContext | nindent 6 }}
    volumeMounts:
    {{- include "readscope.volumeMounts" . | nindent 4 }}
    {{- if .Values.web.secret }}
    - {name: web, mountPath: /etc/readscope-web, readOnly: true}
    {{- end }}
  volumes:
  {{- include "readscope.volumes" . | nindent 2 }}
  {{- with .Values.web.secret }}
  # Not optional: nothing is ever served without TLS.
  - name: web
    secret: {secretName: {{ . | quote }}}
  {{- end }}
{{- end }}
{{- end }}

{{- /* Rules of a Role or ClusterRole. deploy/base/account.yaml says what each is for; a test compares both. */ -}}
{{- define "readscope.rules" -}}
{{- $read := list "list" "watch" -}}
{{- $rules := list
  (dict "apiGroups" (list "") "resources" (list "services") "verbs" $read)
  (dict "apiGroups" (list "discovery.k8s.io") "resources" (list "endpointslices") "verbs" $read)
  (dict "apiGroups" (list "") "resources" (list "pods") "verbs" $read)
  (dict "apiGroups" (list "apps") "resources" (list "statefulsets") "verbs" $read)
  (dict "apiGroups" (list "") "resources" (list "persistentvolumeclaims" "events") "verbs" $read) -}}
{{- if .Values.kubernetesEvents -}}
{{- $rules = append $rules (dict "apiGroups" (list "events.k8s.io") "resources" (list "events") "verbs" (list "create")) -}}
{{- end -}}
{{ toYaml $rules }}
{{- end }}

{{- define "readscope.monitorEndpoint" -}}
- port: http
  interval: {{ .interval }}
  # The namespace and pod of a database, not of readscope: alerts about it belong to its team.
  honorLabels: true
  {{- with .root.Values.web }}
  {{- with .routePrefix }}
  path: {{ . }}/metrics
  {{- end }}
  {{- if .secret }}
  scheme: {{ .scheme }}
  {{- if eq .scheme "https" }}
  # Prometheus scrapes pods by address, which the certificate does not contain, so it verifies the Service's name instead.
  tlsConfig:
    serverName: {{ include "readscope.fullname" $.root }}.{{ $.root.Release.Namespace }}.svc
    ca: {secret: {name: {{ .secret | quote }}, key: ca.crt}}
  {{- end }}
  {{- with .scrapeSecret }}
  basicAuth:
    username: {name: {{ . | quote }}, key: username}
    password: {name: {{ . | quote }}, key: password}
  {{- end }}
  {{- end }}
  {{- end }}
  # The rules and the dashboard use these labels.
  relabelings:
  - {sourceLabels: [__meta_kubernetes_pod_node_name], targetLabel: node}
  - {targetLabel: job, replacement: readscope}
{{- end }}
