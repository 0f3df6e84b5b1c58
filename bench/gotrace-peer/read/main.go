// Command read reads every event of an execution trace with golang.org/x/exp/trace and prints how many and how fast, as JSON.
package main

import (
	"bufio"
	"encoding/json"
	"io"
	"log"
	"os"
	"runtime"
	"syscall"
	"time"

	"golang.org/x/exp/trace"
)

func main() {
	file, err := os.Open(os.Args[1])
	if err != nil {
		log.Fatal(err)
	}
	start := time.Now()
	reader, err := trace.NewReader(bufio.NewReaderSize(file, 1<<18))
	if err != nil {
		log.Fatal(err)
	}
	events := 0
	for {
		if _, err := reader.ReadEvent(); err == io.EOF {
			break
		} else if err != nil {
			log.Fatal(err)
		}
		events++
	}
	seconds := time.Since(start).Seconds()
	var usage syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &usage); err != nil {
		log.Fatal(err)
	}
	err = json.NewEncoder(os.Stdout).Encode(map[string]any{
		"events": events, "seconds": seconds, "maxRssKiB": usage.Maxrss, "version": runtime.Version(),
	})
	if err != nil {
		log.Fatal(err)
	}
}
