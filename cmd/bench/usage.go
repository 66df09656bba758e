package main

import (
	"bytes"
	"os"
	"strconv"
	"strings"
	"time"
)

// usage is what a process has taken of the machine since it began.
type usage struct {
	cpuMicros     float64 // user and system, all threads
	peakBytes     float64 // resident
	residentBytes float64
}

// clockTick is the unit of /proc/PID/stat: 100 a second on every Linux that Go
// runs on (USER_HZ is part of its interface, whatever the kernel's own HZ).
const clockTickMicros = 1e6 / 100

// usageOf reads /proc, which costs the process nothing. A process that isn't
// there, or is no process of its own, has used nothing.
func usageOf(pid int) (u usage) {
	if pid == 0 {
		return u
	}
	dir := "/proc/" + strconv.Itoa(pid)
	stat, err := os.ReadFile(dir + "/stat")
	if err != nil {
		return u
	}
	// The name, in brackets, may hold spaces: fields are counted from behind it.
	const userTime, systemTime = 11, 12
	if end := bytes.LastIndexByte(stat, ')'); end > 0 {
		if fields := strings.Fields(string(stat[end+1:])); len(fields) > systemTime {
			u.cpuMicros = (number(fields[userTime]) + number(fields[systemTime])) * clockTickMicros
		}
	}
	status, err := os.ReadFile(dir + "/status")
	if err != nil {
		return u
	}
	for line := range strings.Lines(string(status)) {
		name, value, _ := strings.Cut(line, ":")
		kib := number(strings.TrimSuffix(strings.TrimSpace(value), " kB"))
		switch name {
		case "VmHWM":
			u.peakBytes = kib * 1024
		case "VmRSS":
			u.residentBytes = kib * 1024
		}
	}
	return u
}

func number(s string) float64 {
	v, _ := strconv.ParseFloat(s, 64)
	return v
}

// watchPeak looks at a process now and then: once it has ended, /proc knows no
// more of it.
func watchPeak(pid int) (peakBytes func() float64) {
	stop, peak := make(chan struct{}), make(chan float64)
	go func() {
		most, tick := 0.0, time.NewTicker(time.Second)
		defer tick.Stop()
		for {
			select {
			case <-tick.C:
				most = max(most, usageOf(pid).peakBytes)
			case <-stop:
				peak <- most
				return
			}
		}
	}()
	return func() float64 { close(stop); return <-peak }
}
