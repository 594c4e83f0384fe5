local beside = KEYS[1] -- whose server's clock it is

-- Answers the time in epoch ms.

-- needs: numbers

return digits(server_ms())
