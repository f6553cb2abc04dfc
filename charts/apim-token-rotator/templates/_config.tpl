{{- /* The ports that the configuration names; without a line, the rotator's own. */ -}}
{{- define "rotator.webhookPort" -}}
{{- .Values.config.webhook.listen | default "0.0.0.0:8080" | splitList ":" | last -}}
{{- end -}}

{{- define "rotator.internalPort" -}}
{{- .Values.config.internal.listen | default "0.0.0.0:9090" | splitList ":" | last -}}
{{- end -}}

{{- define "rotator.webhook" -}}
{{- if dig "enabled" true .Values.config.webhook -}}true{{- end -}}
{{- end -}}

{{- /* A value as TOML. Helm reads every number as a float, and its toToml would write 10 as 10.0. */ -}}
{{- define "rotator.tomlValue" -}}
{{- if kindIs "string" . -}}
{{- toRawJson . -}}
{{- else if kindIs "bool" . -}}
{{- . -}}
{{- else if kindIs "slice" . -}}
{{- $items := list -}}
{{- range . -}}{{- $items = append $items (include "rotator.tomlValue" .) -}}{{- end -}}
[{{ join ", " $items }}]
{{- else -}}
{{- int64 . -}}
{{- end -}}
{{- end -}}

{{- /* The lines of a table; null and what has a table of its own are left out. */ -}}
{{- define "rotator.tomlLines" -}}
{{- range $key := keys . | sortAlpha }}
{{- $value := get $ $key }}
{{- if not (or (kindIs "invalid" $value) (eq $key "targets")) }}
{{ $key }} = {{ include "rotator.tomlValue" $value }}
{{- end }}
{{- end }}
{{- end -}}

{{- define "rotator.toml" -}}
{{- range $table := list "azure" "kubernetes" "webhook" "internal" "log" "rotation" "defaults" -}}
[{{ $table }}]
{{- include "rotator.tomlLines" (get $.Values.config $table | default dict) }}

{{ end -}}
{{- range $gateway := .Values.config.gateways -}}
[[gateways]]
{{- include "rotator.tomlLines" $gateway }}

{{ range $target := $gateway.targets -}}
[[gateways.targets]]
{{- include "rotator.tomlLines" $target }}

{{ end -}}
{{- end -}}
{{- end -}}
