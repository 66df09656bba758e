package config

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"ristourne/rules"
	"ristourne/sinks/paymentfiles"
)

// DebtorOf is whose account pays for a programme; nil: nobody's is named.
func (p *Payout) DebtorOf(programme string) *rules.Debtor {
	for i := range p.Debtors {
		if d := &p.Debtors[i]; slices.Contains(d.Programmes, programme) {
			return d.debtor()
		}
	}
	return nil
}

func (d *Debtor) debtor() *rules.Debtor {
	return &rules.Debtor{
		Name: d.Name, IBAN: d.IBAN, BIC: d.BIC, ServiceLevel: cmp.Or(d.ServiceLevel, paymentfiles.SEPAServiceLevel), Address: rules.Address(d.Address),
	}
}

func (p *Payout) validateDebtors(file *File) {
	of := map[string]int{}
	for i := range p.Debtors {
		d, key := &p.Debtors[i], fmt.Sprintf("payout.debtors.%d", i)
		if file.unread[key] {
			continue
		}
		paymentfiles.CheckDebtor(d.debtor(), func(part string, err error) { file.need(false, key+"."+part, "%v", err) })
		file.need(d.ServiceLevel == "" || slices.Contains(paymentfiles.ServiceLevels, d.ServiceLevel), key+".service_level",
			"unknown service level %q: %s", d.ServiceLevel, strings.Join(paymentfiles.ServiceLevels, ", "))
		file.need(len(d.Programmes) > 0, key+".programmes", "none named: say for which programmes it pays")
		for n, programme := range d.Programmes {
			if other, twice := of[programme]; twice {
				file.faultAt(fmt.Sprintf("%s.programmes.%d", key, n), key+".programmes", "programme %q is paid by payout.debtors.%d already", programme, other)
			}
			of[programme] = i
		}
		a := &d.Address
		file.need(*a == Address{} || a.Town != "" && a.Country != "", key+".address", "an address needs at least town and country")
		file.need(a.Country == "" || rules.KnownCountry(a.Country), key+".address.country", "%q is no country of ISO 3166, such as FR", a.Country)
	}
}
