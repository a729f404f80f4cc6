package admin

import (
	"net/http"
	"strings"
)

func (a *api) openapi(w http.ResponseWriter, _ *http.Request) error {
	answer(w, a.log, http.StatusOK, openAPI(a.routes()))
	return nil
}

// openAPI makes the document of the table of routes. It says what there is and how to ask; the records that are answered are
// described in words, as they follow the words of the docs.
func openAPI(routes []route) map[string]any {
	paths := map[string]any{}
	for _, rt := range routes {
		methods, ok := paths[rt.path].(map[string]any)
		if !ok {
			methods = map[string]any{}
			paths[rt.path] = methods
		}
		methods[strings.ToLower(rt.method)] = operation(rt)
	}
	return map[string]any{
		"openapi": "3.1.0",
		"info":    map[string]any{"title": "Headgate admin API", "version": "v1"},
		"paths":   paths,
		"components": map[string]any{
			"securitySchemes": map[string]any{"token": map[string]any{
				"type": "http", "scheme": "bearer",
				"description": "HEADGATE_ADMIN_TOKEN. A gateway on a loopback address may have none.",
			}},
			"schemas": map[string]any{"Error": map[string]any{
				"type": "object", "required": []string{"error"},
				"properties": map[string]any{"error": map[string]any{
					"type": "object", "required": []string{"code", "message"},
					"properties": map[string]any{
						"code":    map[string]any{"type": "string", "description": "Stable, for programs."},
						"message": map[string]any{"type": "string", "description": "One sentence, for people."},
					},
				}},
			}},
		},
	}
}

func operation(rt route) map[string]any {
	content := "application/json"
	if rt.path == "/metrics" {
		content = "text/plain"
	}
	op := map[string]any{
		"summary": rt.summary,
		"responses": map[string]any{
			"200": map[string]any{"description": "Done.", "content": map[string]any{content: map[string]any{}}},
			"default": map[string]any{
				"description": "Not done: why stands in `error`.",
				"content": map[string]any{"application/json": map[string]any{
					"schema": map[string]any{"$ref": "#/components/schemas/Error"},
				}},
			},
		},
		"security": []any{map[string]any{"token": []string{}}},
	}
	if rt.open {
		op["security"] = []any{}
	}
	var params []any
	for _, p := range rt.params {
		schema := map[string]any{"type": "string"}
		if p.name == "limit" {
			schema = map[string]any{"type": "integer", "minimum": 1, "maximum": maxLimit}
		}
		if p.enum != nil {
			schema["enum"] = p.enum
		}
		params = append(params, map[string]any{
			"name": p.name, "in": p.in, "description": p.doc, "required": p.in == "path", "schema": schema,
		})
	}
	if params != nil {
		op["parameters"] = params
	}
	if rt.body != "" && rt.method == http.MethodPost {
		op["requestBody"] = map[string]any{
			"required": true, "description": rt.body,
			"content": map[string]any{"application/json": map[string]any{"schema": map[string]any{"type": "object"}}},
		}
	}
	return op
}
