{{- /* What the schema cannot say in a sentence: all errors at once, each with its path and what to write instead.
What was written is not quoted: people paste tokens into the wrong line. */ -}}
{{- define "rotator.errors" -}}
{{- include "rotator.errorsOfGateways" . -}}
{{- include "rotator.errorsOfPorts" . -}}
{{- include "rotator.errorsOfDurations" . -}}
{{- if not .Values.image.repository }}
image.repository: is empty. Write where the image is, such as "registry.example/apim-token-rotator"; see docs/image.md
{{- end }}
{{- if and .Values.image.digest (not (regexMatch "^sha256:[0-9a-f]{64}$" .Values.image.digest)) }}
image.digest: is not a digest. Write "sha256:" and 64 hex digits
{{- end }}
{{- with .Values.workloadIdentity }}
{{- if and .enabled $.Values.serviceAccount.create (not .clientId) (not $.Values.config.azure.client_id) }}
workloadIdentity.clientId: is empty. Write the client id of the managed identity, or workloadIdentity.enabled: false if the rotator signs in otherwise
{{- end }}
{{- end }}
{{- include "rotator.errorsOfIds" . -}}
{{- include "rotator.errorsOfAccess" . -}}
{{- range $route := list "ingress" "httpRoute" }}
{{- if and (get $.Values $route).enabled (not (include "rotator.webhook" $)) }}
{{ $route }}.enabled: the webhook is off, so there is no route to make. Write config.webhook.enabled: true, or {{ $route }}.enabled: false
{{- end }}
{{- end }}
{{- if and .Values.ingress.enabled (not .Values.ingress.hosts) }}
ingress.hosts: is empty. Write the host name that the event subscription names
{{- end }}
{{- if and .Values.httpRoute.enabled (not .Values.httpRoute.parentRefs) }}
httpRoute.parentRefs: is empty. Write the Gateway to attach to, such as [{name: gateway, namespace: infra}]
{{- end }}
{{- if and (gt (int .Values.replicas) 1) .Values.podDisruptionBudget.enabled (eq (toString .Values.podDisruptionBudget.maxUnavailable) "0") }}
podDisruptionBudget.maxUnavailable: 0 prevents every node drain. Write 1 or more
{{- end }}
{{- end -}}

{{- define "rotator.errorsOfIds" -}}
{{- $azure := .Values.config.azure -}}
{{- $entra := .Values.config.webhook.entra | default dict -}}
{{- $ids := dict "workloadIdentity.clientId" .Values.workloadIdentity.clientId "workloadIdentity.tenantId" .Values.workloadIdentity.tenantId "config.azure.client_id" $azure.client_id "config.azure.tenant_id" $azure.tenant_id "config.webhook.entra.tenant_id" $entra.tenant_id -}}
{{- range $path, $said := $ids -}}
{{- if and $said (not (regexMatch "^(?i)\\s*[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}\\s*$" $said)) }}
{{ $path }}: is not a GUID. Write it like "00000000-0000-0000-0000-000000000000"
{{- end }}
{{- end -}}
{{- end -}}

{{- define "rotator.errorsOfAccess" -}}
{{- $webhook := .Values.config.webhook -}}
{{- $ways := list -}}
{{- if or .Values.webhook.auth.existingSecret $webhook.secret_file -}}{{- $ways = append $ways "a shared secret" -}}{{- end -}}
{{- if $webhook.entra -}}{{- $ways = append $ways "config.webhook.entra" -}}{{- end -}}
{{- if include "rotator.webhook" . }}
{{- if not (or $ways $webhook.allow_unauthenticated) }}
config.webhook.enabled: the configuration does not say who may deliver, so any client could. Write webhook.auth.existingSecret or config.webhook.entra, or config.webhook.enabled: false to rely on the schedule alone
{{- end }}
{{- if and $ways $webhook.allow_unauthenticated }}
config.webhook.allow_unauthenticated: would accept every client although {{ join " and " $ways }} says who may deliver. Take it out
{{- end }}
{{- end }}
{{- with .Values.config.pull }}
{{- range $key := list "endpoint" "topic" "subscription" }}
{{- if not (get $.Values.config.pull $key) }}
config.pull.{{ $key }}: is missing. Without endpoint, topic and subscription nothing can be fetched
{{- end }}
{{- end }}
{{- end }}
{{- range $n, $gateway := .Values.config.gateways -}}
{{- range $m, $target := $gateway.targets -}}
{{- if and $target.context (ne $target.context "in-cluster") (not $.Values.kubeconfig.existingSecret) (not $.Values.config.kubernetes.kubeconfig) (not $.Values.extraEnv) (not $.Values.extraEnvFrom) }}
config.gateways[{{ $n }}].targets[{{ $m }}].context: no kubeconfig is configured that could contain it. Write kubeconfig.existingSecret
{{- end }}
{{- end -}}
{{- end -}}
{{- if and .Values.rbac.elsewhere.context (not .Values.rbac.elsewhere.subjects) }}
rbac.elsewhere.subjects: is empty. Write the account of the kubeconfig, as in a RoleBinding
{{- end }}
{{- end -}}

{{- define "rotator.errorsOfGateways" -}}
{{- $label := "^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$" -}}
{{- $subdomain := "^[a-z0-9]([a-z0-9-]*[a-z0-9])?(\\.[a-z0-9]([a-z0-9-]*[a-z0-9])?)*$" -}}
{{- $id := "(?i)^/subscriptions/[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}/resourceGroups/[\\w.()-]{1,90}/providers/Microsoft\\.ApiManagement/service/[a-z]([a-z0-9-]{0,48}[a-z0-9])?/gateways/[^/*#&+:<>?%\\s]{1,80}/?$" -}}
{{- if not .Values.config.gateways }}
config.gateways: is empty. Write an entry for each self-hosted gateway: name, resource_id, targets
{{- end }}
{{- with .Values.config.kubernetes.lease_namespace }}{{ if not (regexMatch $label .) }}
config.kubernetes.lease_namespace: is not a namespace name. Write lower-case letters, digits and '-', at most 63
{{- end }}{{ end }}
{{- $once := dict -}}
{{- $home := include "rotator.home" . -}}
{{- range $n, $gateway := .Values.config.gateways -}}
{{- $at := printf "config.gateways[%d]" $n -}}
{{- if not (and (regexMatch $label .name) (le (len .name) 40)) }}
{{ $at }}.name: is not a valid name. Write at most 40 lower-case letters, digits and '-', with a letter or digit at both ends
{{- end }}
{{- if not (regexMatch $id .resource_id) }}
{{ $at }}.resource_id: is not the ARM id of a self-hosted gateway. Write /subscriptions/<subscription>/resourceGroups/<group>/providers/Microsoft.ApiManagement/service/<service>/gateways/<gateway>
{{- end }}
{{- range $what, $said := dict "name" .name "resource_id" (.resource_id | lower | trimSuffix "/") -}}
{{- $key := printf "%s %s" $what $said -}}
{{- with get $once $key }}
{{ $at }}.{{ $what }}: is {{ . }} already. Write each gateway once, with a name of its own and all its targets
{{- end }}{{ $_ := set $once $key (printf "%s.%s" $at $what) -}}
{{- end -}}
{{- range $m, $target := .targets -}}
{{- $here := printf "%s.targets[%d]" $at $m -}}
{{- if not (regexMatch $label .namespace) }}
{{ $here }}.namespace: is not a namespace name. Write lower-case letters, digits and '-', at most 63
{{- end }}
{{- if not (and (regexMatch $subdomain .secret) (le (len .secret) 253)) }}
{{ $here }}.secret: is not a Secret name. Write lower-case letters, digits, '-' and '.', with a letter or digit at both ends
{{- end }}
{{- if and .key (not (regexMatch "^[-._a-zA-Z0-9]{1,253}$" .key)) }}
{{ $here }}.key: is not a key of a Secret. Write the key under its data, or leave the line out
{{- end }}
{{- range $i, $workload := .workloads -}}
{{- if not (and (contains "/" .) (include "rotator.resource" .) (regexMatch $subdomain (trimPrefix (printf "%s/" (splitList "/" . | first)) .))) }}
{{ $here }}.workloads[{{ $i }}]: is not a workload. Write "deployment/<name>", "statefulset/<name>" or "daemonset/<name>"
{{- end }}
{{- end -}}
{{- $place := printf "place %s:%s/%s" (.context | default $home) .namespace .secret -}}
{{- with get $once $place }}
{{ $here }}.secret: is {{ . }} already. Write each Secret once
{{- end }}{{ $_ := set $once $place (printf "%s.secret" $here) -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{- define "rotator.errorsOfPorts" -}}
{{- $listens := dict "internal" .Values.config.internal.listen -}}
{{- if include "rotator.webhook" . -}}{{- $_ := set $listens "webhook" .Values.config.webhook.listen -}}{{- end -}}
{{- range $table, $listen := $listens -}}
{{- if $listen -}}
{{- $port := splitList ":" $listen | last -}}
{{- if or (not (regexMatch "^(\\[[0-9a-fA-F:.]+\\]|[^:\\[\\]\\s]+):[1-9][0-9]{0,4}$" $listen)) (gt (int $port) 65535) }}
config.{{ $table }}.listen: is not an address at which a pod can be reached. Write "0.0.0.0:<port>"
{{- else if regexMatch "^(127\\.|localhost|\\[::1\\])" $listen }}
config.{{ $table }}.listen: cannot be reached from outside the pod. Write "0.0.0.0:{{ $port }}"
{{- end }}
{{- end -}}
{{- end -}}
{{- if and (hasKey $listens "webhook") (eq (include "rotator.webhookPort" .) (include "rotator.internalPort" .)) }}
config.internal.listen: is the webhook's port. Probes and metrics are not for the Internet: write another port
{{- end }}
{{- end -}}

{{- define "rotator.errorsOfDurations" -}}
{{- $policy := list "token_lifetime" "renew_before" "panic_before" "rollout_timeout" "recheck" "look_every" "revoke_after" "max_wait" -}}
{{- $tables := dict "config.kubernetes" (pick .Values.config.kubernetes "lease_duration") "config.webhook" (pick .Values.config.webhook "body_timeout") "config.pull" .Values.config.pull "config.rotation" (pick .Values.config.rotation "schedule_jitter") "config.defaults" .Values.config.defaults -}}
{{- range $n, $gateway := .Values.config.gateways -}}{{- $_ := set $tables (printf "config.gateways[%d]" $n) $gateway -}}{{- end -}}
{{- range $path, $table := $tables -}}
{{- range $key, $said := $table -}}
{{- if and (kindIs "string" $said) (has $key (concat $policy (list "lease_duration" "body_timeout" "schedule_jitter"))) -}}
{{- if not (regexMatch "^([0-9]+(\\.[0-9]+)?(ms|s|m|h|d|w))+$" $said) }}
{{ $path }}.{{ $key }}: is not a duration. Write a number and a unit, such as "30s", "15m", "1h30m" or "29d"
{{- end }}
{{- end -}}
{{- if and (eq $key "freeze") (kindIs "string" $said) -}}
{{- if not (regexMatch "^[0-9]{4}-[0-9]{2}-[0-9]{2}[Tt ][0-9]{2}:[0-9]{2}:[0-9]{2}(\\.[0-9]+)?([Zz]|[+-][0-9]{2}:[0-9]{2})$" $said) }}
{{ $path }}.freeze: is not a time with a zone. Write true, or a time such as "2027-01-02T08:00:00+01:00"
{{- end }}
{{- end -}}
{{- if eq $key "windows" -}}
{{- range $i, $window := $said -}}
{{- if ne (len (regexFindAll "[^ ]+" $window.cron -1)) 5 }}
{{ $path }}.windows[{{ $i }}].cron: is not a cron expression. Write five fields, such as "0 22 * * 1-5"
{{- end }}
{{- if not (regexMatch "^([0-9]+(\\.[0-9]+)?(ms|s|m|h|d|w))+$" $window.duration) }}
{{ $path }}.windows[{{ $i }}].duration: is not a duration. Write a number and a unit, such as "4h"
{{- end }}
{{- end -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- end -}}
