{{- /* What the rotator may do in a namespace: a list of rules as YAML, from the same gateways as its configuration.
Takes (dict "root" $ "namespace" name "cluster" context); the cluster is "in-cluster" for the one that the chart is
installed in. The calls behind each verb are in docs/install.md. */ -}}
{{- define "rotator.rules" -}}
{{- $namespace := .namespace -}}
{{- $secrets := list -}}
{{- $leases := list -}}
{{- $found := false -}}
{{- $evicts := false -}}
{{- $named := dict "deployments" list "statefulsets" list "daemonsets" list -}}
{{- $holds := and (eq .cluster (include "rotator.home" .root)) (eq .namespace (include "rotator.leaseNamespace" .root)) -}}
{{- range $gateway := $.root.Values.config.gateways -}}
{{- if $holds -}}{{- $leases = append $leases (printf "apim-token-rotator-%s" $gateway.name) -}}{{- end -}}
{{- range $target := $gateway.targets -}}
{{- if and (eq $namespace $target.namespace) (eq $.cluster ($target.context | default (include "rotator.home" $.root))) -}}
{{- $secrets = append $secrets $target.secret -}}
{{- if include "rotator.evicts" (dict "root" $.root "gateway" $gateway) -}}{{- $evicts = true -}}{{- end -}}
{{- if not $target.workloads -}}{{- $found = true -}}{{- end -}}
{{- range $workload := $target.workloads -}}
{{- $resource := include "rotator.resource" $workload -}}
{{- $_ := set $named $resource (append (get $named $resource | default list) (splitList "/" $workload | last)) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- with $secrets }}
- apiGroups: [""]
  resources: [secrets]
  resourceNames: {{ . | uniq | sortAlpha | toJson }}
  verbs: [get, patch]
- apiGroups: [""]
  resources: [pods]
  verbs: [list, watch]
{{- end }}
{{- if or $secrets (include "rotator.own" .) }}
- apiGroups: [""]
  resources: [events]
  verbs: [create, patch]
{{- end }}
{{- if $evicts }}
- apiGroups: [""]
  resources: [pods/eviction]
  verbs: [create]
- apiGroups: [""]
  resources: [pods]
  verbs: [delete]
{{- end }}
{{- if $found }}
- apiGroups: [apps]
  resources: [deployments, statefulsets, daemonsets]
  verbs: [list, watch, patch]
{{- end }}
{{- range $resource := keys $named | sortAlpha }}
{{- with get $named $resource }}
- apiGroups: [apps]
  resources: [{{ $resource }}]
  resourceNames: {{ . | uniq | sortAlpha | toJson }}
  verbs: {{ $found | ternary "[get]" "[get, watch, patch]" }}
{{- end }}
{{- end }}
{{- with $leases }}
- apiGroups: [coordination.k8s.io]
  resources: [leases]
  resourceNames: {{ . | uniq | sortAlpha | toJson }}
  verbs: [get, patch]
- apiGroups: [coordination.k8s.io]
  resources: [leases]
  verbs: [create]
{{- end }}
{{- end -}}

{{- /* Whether a namespace is where the rotator's own pods are, to which it writes an Event when a configuration cannot be
used. Takes (dict "root" $ "namespace" name "cluster" context). */ -}}
{{- define "rotator.own" -}}
{{- if and (eq .cluster "in-cluster") (eq .namespace .root.Release.Namespace) -}}true{{- end -}}
{{- end -}}

{{- /* The resource of a workload such as sts/x; kinds have kubectl's short forms, as in the configuration. */ -}}
{{- define "rotator.resource" -}}
{{- $kind := splitList "/" . | first | trim | lower -}}
{{- $kinds := dict "deployment" "deployments" "deploy" "deployments" "statefulset" "statefulsets" "sts" "statefulsets" "daemonset" "daemonsets" "ds" "daemonsets" -}}
{{- get $kinds $kind -}}
{{- end -}}

{{- /* Where the Leases live, in the home cluster. It is written into the configuration, so that no change of targets
moves a Lease while replicas reload one after the other. */ -}}
{{- define "rotator.leaseNamespace" -}}
{{- .Values.config.kubernetes.lease_namespace | default .Release.Namespace -}}
{{- end -}}

{{- /* The home cluster: a context, "in-cluster" for the one that the chart is installed in, or "?" for whatever context
a kubeconfig has as its current one. */ -}}
{{- define "rotator.home" -}}
{{- $said := .Values.config.kubernetes -}}
{{- $said.context | default (ternary "?" "in-cluster" (and (not .Values.kubeconfig.existingSecret) (not (empty $said.kubeconfig)))) -}}
{{- end -}}

{{- /* Whether a gateway's pods may be evicted: its own word, that of the defaults, the built-in one. */ -}}
{{- define "rotator.evicts" -}}
{{- $own := get .gateway "replace_pods" | toString -}}
{{- $common := get (.root.Values.config.defaults | default dict) "replace_pods" | toString -}}
{{- if ne "false" (has $own (list "true" "false") | ternary $own $common) -}}true{{- end -}}
{{- end -}}

{{- /* The namespaces of targets, of Leases and of the rotator's own pods in a cluster, as a JSON object with a list. Takes (dict "root" $ "cluster"
context). */ -}}
{{- define "rotator.namespaces" -}}
{{- $names := list -}}
{{- if eq .cluster "in-cluster" -}}{{- $names = append $names .root.Release.Namespace -}}{{- end -}}
{{- $home := include "rotator.home" .root -}}
{{- if eq .cluster $home -}}{{- $names = append $names (include "rotator.leaseNamespace" .root) -}}{{- end -}}
{{- range $gateway := .root.Values.config.gateways -}}
{{- range $target := $gateway.targets -}}
{{- if eq $.cluster ($target.context | default $home) -}}{{- $names = append $names $target.namespace -}}{{- end -}}
{{- end -}}
{{- end -}}
{{- dict "names" ($names | uniq | sortAlpha) | toJson -}}
{{- end -}}

{{- /* The other clusters that targets or Leases are in, as a JSON object with a list of contexts. */ -}}
{{- define "rotator.elsewhere" -}}
{{- $home := include "rotator.home" . -}}
{{- $names := list $home -}}
{{- range .Values.config.gateways -}}{{- range .targets -}}{{- $names = append $names (.context | default $home) -}}{{- end -}}{{- end -}}
{{- dict "names" (without ($names | uniq | sortAlpha) "in-cluster") | toJson -}}
{{- end -}}

{{- /* Role and RoleBinding in one namespace. Takes (dict "root" $ "namespace" name "cluster" context "subjects" list). */ -}}
{{- define "rotator.role" -}}
apiVersion: rbac.authorization.k8s.io/v1
kind: Role
metadata:
  name: {{ include "rotator.fullname" .root }}
  namespace: {{ .namespace }}
  labels:
    {{- include "rotator.labels" .root | nindent 4 }}
rules:
  {{- include "rotator.rules" . | trim | nindent 2 }}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata:
  name: {{ include "rotator.fullname" .root }}
  namespace: {{ .namespace }}
  labels:
    {{- include "rotator.labels" .root | nindent 4 }}
roleRef:
  apiGroup: rbac.authorization.k8s.io
  kind: Role
  name: {{ include "rotator.fullname" .root }}
subjects:
  {{- toYaml .subjects | nindent 2 }}
{{- end -}}
