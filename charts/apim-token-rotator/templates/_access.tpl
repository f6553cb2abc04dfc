{{- /* What the rotator may do in a namespace: a list of rules as YAML, from the same gateways as its configuration.
Takes (dict "root" $ "namespace" name). The calls behind each verb are in docs/install.md. */ -}}
{{- define "rotator.rules" -}}
{{- $namespace := .namespace -}}
{{- $secrets := list -}}
{{- $leases := list -}}
{{- $found := false -}}
{{- $named := dict "deployments" list "statefulsets" list "daemonsets" list -}}
{{- range $gateway := $.root.Values.config.gateways -}}
{{- if eq $namespace (include "rotator.leaseNamespace" (dict "root" $.root "gateway" $gateway)) -}}
{{- $leases = append $leases (printf "apim-token-rotator-%s" $gateway.name) -}}
{{- end -}}
{{- range $target := $gateway.targets -}}
{{- if eq $namespace $target.namespace -}}
{{- $secrets = append $secrets $target.secret -}}
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
- apiGroups: [""]
  resources: [events]
  verbs: [create, patch]
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

{{- /* The resource of a workload such as sts/x; kinds have kubectl's short forms, as in the configuration. */ -}}
{{- define "rotator.resource" -}}
{{- $kind := splitList "/" . | first | trim | lower -}}
{{- $kinds := dict "deployment" "deployments" "deploy" "deployments" "statefulset" "statefulsets" "sts" "statefulsets" "daemonset" "daemonsets" "ds" "daemonsets" -}}
{{- get $kinds $kind -}}
{{- end -}}

{{- /* Where a gateway's Lease lives. */ -}}
{{- define "rotator.leaseNamespace" -}}
{{- $first := first .gateway.targets -}}
{{- $.root.Values.config.kubernetes.lease_namespace | default $first.namespace -}}
{{- end -}}

{{- /* The namespaces of targets and Leases, as a JSON object with a list. */ -}}
{{- define "rotator.namespaces" -}}
{{- $names := list -}}
{{- range $gateway := .Values.config.gateways -}}
{{- $names = append $names (include "rotator.leaseNamespace" (dict "root" $ "gateway" $gateway)) -}}
{{- range $gateway.targets -}}{{- $names = append $names .namespace -}}{{- end -}}
{{- end -}}
{{- dict "names" ($names | uniq | sortAlpha) | toJson -}}
{{- end -}}
