// SPDX-License-Identifier: Apache-2.0

// Makes the calls that it is told on its input, by Go's net/http; a line for each: status and body.
// User and password stand in the URL. Every other body goes chunked, and the last one waits for 100.
package main

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
	"time"
)

type told struct {
	WithPassword string
	Calls        []struct {
		Body    string
		Headers map[string]string
	}
}

func main() {
	var t told
	if err := json.NewDecoder(os.Stdin).Decode(&t); err != nil {
		panic(err)
	}
	client := http.Client{Transport: &http.Transport{ExpectContinueTimeout: time.Minute}}
	for i, call := range t.Calls {
		var body io.Reader = strings.NewReader(call.Body)
		if i%2 == 1 {
			body = io.MultiReader(body) // its length is not known
		}
		request, err := http.NewRequest("POST", t.WithPassword, body)
		if err != nil {
			panic(err)
		}
		for name, value := range call.Headers {
			request.Header.Set(name, value)
		}
		if i == len(t.Calls)-1 {
			request.Header.Set("Expect", "100-continue")
		}
		answer, err := client.Do(request)
		if err != nil {
			panic(err)
		}
		text, err := io.ReadAll(answer.Body)
		if err != nil {
			panic(err)
		}
		answer.Body.Close()
		fmt.Println(answer.StatusCode, string(text))
	}
}
