// Places orders with the default client of net/http: URL, count.
package main

import (
	"io"
	"log"
	"net/http"
	"os"
	"strconv"
	"strings"
)

func main() {
	count, err := strconv.Atoi(os.Args[2])
	if err != nil {
		log.Fatal(err)
	}
	for number := 0; number < count; number++ {
		body := strings.NewReader(`{"items":[{"productId":"1","quantity":1}]}`)
		request, err := http.NewRequest("POST", os.Args[1], body)
		if err != nil {
			log.Fatal(err)
		}
		request.Header.Set("Content-Type", "application/json")
		request.Header.Set("api_key", "apitest")
		answer, err := http.DefaultClient.Do(request)
		if err != nil {
			log.Fatalf("order %d: %v", number, err)
		}
		text, err := io.ReadAll(answer.Body)
		answer.Body.Close()
		if err != nil || answer.StatusCode != 200 {
			log.Fatalf("order %d: %d %s %v", number, answer.StatusCode, text, err)
		}
	}
}
