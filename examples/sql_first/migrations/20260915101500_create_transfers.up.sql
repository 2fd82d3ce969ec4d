CREATE TABLE transfers (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    debit bigint NOT NULL REFERENCES accounts (id),
    credit bigint NOT NULL REFERENCES accounts (id),
    amount numeric(12, 2) NOT NULL CHECK (amount > 0),
    made_at timestamptz NOT NULL DEFAULT now(),
    CHECK (debit <> credit)
);

-- A transfer moves money in both accounts, or in none.
CREATE FUNCTION apply_transfer() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    UPDATE accounts SET balance = balance - NEW.amount WHERE id = NEW.debit;
    UPDATE accounts SET balance = balance + NEW.amount WHERE id = NEW.credit;
    RETURN NEW;
END;
$$;

CREATE TRIGGER apply_transfer BEFORE INSERT ON transfers FOR EACH ROW EXECUTE FUNCTION apply_transfer();
